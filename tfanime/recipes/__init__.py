"""Published methods, each a module with `Config` (the paper's numbers), `build(config, vocabulary)`, `recipe` (what the
driver, `tfanime.recipes.driver`, is given) and `main()`. Run one as `python -m tfanime.recipes.wgan`.
"""

RECIPES = {
    "dcgan": "DCGAN (Radford et al. 2016): transposed convolutions, batch norm, the non-saturating loss",
    "dragan": "DRAGAN on SRResNet with tags (Jin et al. 2017): avatars by hair colour, eye colour and more",
    "sngan": "SN-GAN (Miyato et al. 2018): spectral normalization, the hinge loss, 5 discriminator steps to 1",
    "wgan": "WGAN with weight clipping (Arjovsky et al. 2017): a critic instead of a discriminator, 5 steps to 1",
    "wgan_gp": "WGAN-GP (Gulrajani et al. 2017): a penalty on the critic's gradient instead of clipping",
}
