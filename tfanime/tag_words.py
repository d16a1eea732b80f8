"""Words of boards, networks and artists for the tags that both built-in vocabularies have."""

# Words of Danbooru and boards like it, and of networks trained on them; docs/tag_words.md gives the sources. A word is
# an alias only if the tag is always true of it: sunglasses are not glasses, an unworn hat is not a hat, hazel eyes may
# be yellow or brown.
HAIR_COLOURS = {
    "aqua_hair": "cyan_hair teal_hair turquoise_hair",
    "blonde_hair": "blond_hair blonde blond gold_hair golden_hair yellow_hair platinum_blonde_hair",
    "blue_hair": "light_blue_hair dark_blue_hair",
    "brown_hair": "brunette chocolate_hair light_brown_hair",
    "pink_hair": "magenta_hair",
    "purple_hair": "violet_hair lavender_hair light_purple_hair",
    "red_hair": "redhead",
}
HAIR_LENGTHS = {
    "long_hair": "very_long_hair absurdly_long_hair extremely_long_hair",
    "short_hair": "very_short_hair short_hair_with_long_locks",
}
EYE_COLOURS = {
    "aqua_eyes": "cyan_eyes teal_eyes turquoise_eyes",
    "blue_eyes": "light_blue_eyes",
    "brown_eyes": "light_brown_eyes",
    "purple_eyes": "violet_eyes light_purple_eyes",
    "yellow_eyes": "amber_eyes gold_eyes golden_eyes",
}

# What pixiv's artists write, by the same rule: 白髪 may be an old man's, but it is white; 碧眼 may be blue or green.
JAPANESE_HAIR = {
    "aqua_hair": "水色髪 水色の髪",
    "black_hair": "黒髪",
    "blonde_hair": "金髪 ブロンド",
    "blue_hair": "青髪 青い髪",
    "brown_hair": "茶髪 茶色の髪",
    "green_hair": "緑髪 緑の髪",
    "orange_hair": "オレンジ髪 オレンジの髪 橙髪",
    "pink_hair": "ピンク髪 ピンクの髪 桃髪 桃色の髪",
    "purple_hair": "紫髪 紫の髪",
    "red_hair": "赤髪 赤い髪 赤毛",
    "white_hair": "白髪 白い髪",
    "long_hair": "長髪 ロングヘア ロングヘアー",
    "short_hair": "短髪 ショートヘア ショートヘアー ショートカット",
}
JAPANESE_EYES = {
    "aqua_eyes": "水色の目 水色の瞳",
    "black_eyes": "黒い目 黒い瞳",
    "blue_eyes": "青眼 青目 青い目 青い瞳",
    "brown_eyes": "茶眼 茶色の目 茶色の瞳",
    "green_eyes": "緑眼 緑目 緑の目 緑の瞳",
    "orange_eyes": "橙眼 オレンジの目",
    "pink_eyes": "桃眼 ピンクの目 ピンクの瞳",
    "purple_eyes": "紫眼 紫目 紫の目 紫の瞳",
    "red_eyes": "赤眼 赤目 赤い目 赤い瞳",
    "yellow_eyes": "黄眼 金眼 黄色の目 金色の目",
}
