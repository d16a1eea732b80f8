"""Published methods. Each is a module with `Config` (the paper's settings), `build(config, vocabulary)`, `recipe` (for
the driver, `tfanime.recipes.driver`) and `main()`. Run one as `python -m tfanime.recipes.wgan`.
"""

RECIPES = {
    "cartoongan": "CartoonGAN (Chen et al. 2018): photos of faces become drawn ones, with AnimeGANv2's losses",
    "dcgan": "DCGAN (Radford et al. 2016): transposed convolutions, batch norm, the non-saturating loss",
    "dragan": "DRAGAN on SRResNet with tags (Jin et al. 2017): avatars by hair colour, eye colour and more",
    "r3gan": "R3GAN (Huang et al. 2024): relativistic pairs, penalties on both sides, residual networks without norms",
    "sngan": "SN-GAN (Miyato et al. 2018): spectral normalization, the hinge loss, 5 discriminator steps to 1",
    "srgan": "SRGAN (Ledig et al. 2017): pictures enlarged, with a generator's artefacts if there is one",
    "stylegan2": "StyleGAN2 (Karras et al. 2020): mapping and styles, lazy R1 and path lengths, the tags shown to both",
    "wgan": "WGAN with weight clipping (Arjovsky et al. 2017): a critic instead of a discriminator, 5 steps to 1",
    "wgan_gp": "WGAN-GP (Gulrajani et al. 2017): a penalty on the critic's gradient instead of clipping",
}
