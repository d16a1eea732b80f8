// Everything the page says, in four languages.

export const LANGUAGES = { en: "English", ja: "日本語", zh: "中文", ru: "Русский" };
const ORDER = Object.keys(LANGUAGES);
export const language = { now: "en" };

export function chooseLanguage(kept) {
  const wanted = [kept, ...(navigator.languages ?? [])].map((each) => String(each).slice(0, 2));
  language.now = wanted.find((each) => each in LANGUAGES) ?? "en";
  document.documentElement.lang = language.now;
}

export function say(key, value = "") {
  const texts = WORDS[key] ?? [key];
  return (texts[ORDER.indexOf(language.now)] ?? texts[0]).replace("{}", value);
}

const WORDS = {
  __proto__: null,
  models: ["Model", "モデル", "模型", "Модель"],
  language: ["Language", "言語", "语言", "Язык"],
  all: ["Explore", "さがす", "浏览", "Обзор"],
  near: ["Similar", "似た顔", "相似", "Похожие"],
  tags: ["Other tags", "別のタグ", "换标签", "Другие теги"],
  faces: ["Other faces", "別の顔", "换脸", "Другие лица"],
  each: ["Each tag", "タグごと", "逐个标签", "Каждый тег"],
  cross: ["Cross", "かけ合わせ", "交叉", "Скрестить"],
  way: ["Transition", "変化", "过渡", "Переход"],
  kept: ["Kept", "保存", "收藏", "Избранное"],
  allHelp: ["Every seed is an avatar. Scroll on: there is no end.", "シードごとにひとりのアバター。どこまでも続きます。", "每个种子都是一个头像，可以一直往下滚动。", "Каждое зерно — аватар. Листайте дальше: конца нет."],
  nearHelp: ["Pick the one you like best, and again: each pick brings finer changes.", "気に入ったものを選ぶたびに、変化が細かくなります。", "挑一个最喜欢的，每挑一次变化就更细微。", "Выбирайте лучшее снова и снова: изменения становятся тоньше."],
  tagsHelp: ["The same noise, other tags.", "ノイズはそのまま、タグだけ変わります。", "噪声不变，标签变化。", "Тот же шум, другие теги."],
  facesHelp: ["The same tags, other noise.", "タグはそのまま、ノイズだけ変わります。", "标签不变，噪声变化。", "Те же теги, другой шум."],
  eachHelp: ["This avatar with one tag after another.", "このアバターにタグをひとつずつ。", "为这个头像逐个加上标签。", "Этот аватар с каждым тегом по очереди."],
  crossHelp: ["Children of this avatar and your favourite. Star another to change the partner.", "このアバターとお気に入りの子どもたち。", "这个头像与收藏头像的后代。", "Дети этого аватара и избранного."],
  wayHelp: ["From favourite to favourite.", "お気に入りからお気に入りへ。", "从一个收藏到下一个收藏。", "От избранного к избранному."],
  keptHelp: ["Favourites, and what you looked at. Kept in this browser only.", "お気に入りと履歴。このブラウザの中だけに保存されます。", "收藏和浏览记录，只保存在此浏览器中。", "Избранное и просмотренное. Хранится только в этом браузере."],
  needTwo: ["Star two avatars first.", "まず二つのアバターに星を付けてください。", "请先收藏两个头像。", "Сначала отметьте два аватара."],
  needOne: ["Star another avatar first; it becomes the partner.", "まず別のアバターに星を付けてください。", "请先收藏另一个头像。", "Сначала отметьте другой аватар."],
  emptyKept: ["Nothing yet. Look at some avatars, and star those you like.", "まだありません。アバターを見て、好きなものに星を付けてください。", "还没有内容。看看头像，收藏喜欢的吧。", "Пока пусто. Посмотрите аватары и отметьте понравившиеся."],
  seed: ["Seed", "シード", "种子", "Зерно"],
  blend: ["A blend around seed {}", "シード {} からの変化", "种子 {} 的混合", "Смесь вокруг зерна {}"],
  random: ["Random", "ランダム", "随机", "Случайный"],
  star: ["Favourite", "お気に入り", "收藏", "В избранное"],
  share: ["Share", "共有", "分享", "Поделиться"],
  save: ["Save", "保存する", "保存", "Сохранить"],
  undo: ["Undo", "元に戻す", "撤销", "Отменить"],
  picture: ["Picture, {} px", "画像 {} px", "图片 {} px", "Картинка, {} px"],
  sheet: ["Sheet of these avatars", "一覧画像", "当前头像合集图", "Лист этих аватаров"],
  zip: ["ZIP of these avatars", "ZIP", "当前头像 ZIP", "ZIP этих аватаров"],
  openPng: ["Open a saved picture", "保存した画像を開く", "打开保存的图片", "Открыть сохранённую картинку"],
  openPicture: ["Open a picture", "画像を開く", "打开图片", "Открыть картинку"],
  pictureEnlarged: ["Picture, enlarged to {} px", "拡大した画像 {} px", "放大图片 {} px", "Увеличенная картинка, {} px"],
  enlarged: ["Enlarge it ({})", "拡大する（{}）", "放大（{}）", "Увеличить ({})"],
  photo: ["A picture of your own", "自分の画像", "你自己的图片", "Своя картинка"],
  photoHelp: ["Drag to choose a part. The picture stays in this browser.", "ドラッグで範囲を選びます。画像はこのブラウザの外に出ません。", "拖动选择区域。图片不会离开此浏览器。", "Перетащите, чтобы выбрать часть. Картинка остаётся в браузере."],
  cut: ["The chosen part; arrow keys move it", "選んだ範囲（矢印キーで移動）", "所选区域（方向键移动）", "Выбранная часть; стрелки двигают её"],
  redrawn: ["What came of it", "結果", "结果", "Результат"],
  zoom: ["Zoom", "ズーム", "缩放", "Масштаб"],
  redraw: ["Redraw", "描き直す", "重绘", "Перерисовать"],
  enlarge: ["Enlarge", "拡大", "放大", "Увеличить"],
  badPicture: ["This file is no picture that the browser can read.", "このファイルは画像として読み込めません。", "浏览器无法读取此图片。", "Браузер не может прочитать эту картинку."],
  command: ["Copy the command line", "コマンドをコピー", "复制命令行", "Скопировать команду"],
  copied: ["Copied.", "コピーしました。", "已复制。", "Скопировано."],
  linkCopied: ["The link is copied.", "リンクをコピーしました。", "链接已复制。", "Ссылка скопирована."],
  saved: ["Saved: {}", "保存しました: {}", "已保存：{}", "Сохранено: {}"],
  controls: ["Tags", "タグ", "标签", "Теги"],
  settings: ["Settings", "設定", "设置", "Настройки"],
  close: ["Close", "閉じる", "关闭", "Закрыть"],
  reset: ["Leave all to chance", "すべておまかせ", "全部随机", "Всё случайно"],
  fineTuning: ["Strengths", "強さ", "强度", "Сила"],
  fineTuningHelp: ["Choose tags above; their strengths appear here.", "上でタグを選ぶと、ここで強さを変えられます。", "先在上面选择标签，再在此调节强度。", "Выберите теги выше — здесь появится их сила."],
  directions: ["Directions", "方向", "方向", "Направления"],
  directionsHelp: ["Each slider changes one thing and keeps the rest, as far as the model can.", "スライダーごとにひとつの特徴だけを変えます。", "每个滑块尽量只改变一个特征。", "Каждый ползунок меняет что-то одно, насколько модель это умеет."],
  variety: ["Variety", "多様さ", "多样性", "Разнообразие"],
  spread: ["How different", "違いの大きさ", "差异程度", "Насколько разные"],
  position: ["Position", "位置", "位置", "Положение"],
  mix: ["Fine style of seed", "細部のシード", "细节种子", "Детали от зерна"],
  play: ["Play", "再生", "播放", "Пуск"],
  pause: ["Pause", "停止", "暂停", "Пауза"],
  gif: ["GIF", "GIF", "GIF", "GIF"],
  strip: ["PNG strip", "PNG 帯", "PNG 长条", "PNG-лента"],
  random_state: ["{}: left to chance", "{}: おまかせ", "{}：随机", "{}: случайно"],
  on_state: ["{}: on", "{}: あり", "{}：开", "{}: да"],
  off_state: ["{}: off", "{}: なし", "{}：关", "{}: нет"],
  disobeyed: ["The model often ignores this tag: seen in {} of the pictures that ask for it.", "このタグはよく無視されます（{}）。", "模型常忽略此标签（命中 {}）。", "Модель часто не слушается этого тега ({})."],
  untrained: ["No training face had this tag.", "学習データにないタグです。", "训练图片中没有这个标签。", "Такого тега не было при обучении."],
  forget: ["Forget all", "すべて消す", "全部清除", "Забыть всё"],
  private: ["Drawn in this browser. Nothing is uploaded.", "このブラウザの中で描いています。何も送信しません。", "在此浏览器中绘制，不上传任何内容。", "Рисует ваш браузер. Ничего не отправляется."],
  onServer: ["Drawn by the server: seeds and tags are sent to it.", "サーバーが描きます。シードとタグが送られます。", "由服务器绘制：会发送种子和标签。", "Рисует сервер: ему отправляются зерно и теги."],
  engine: ["Draw on the server", "サーバーで描く", "在服务器上绘制", "Рисовать на сервере"],
  each_ms: ["{} ms each", "1 枚 {} ms", "每张 {} 毫秒", "{} мс на аватар"],
  loading: ["Fetching what draws, once: {}", "描画の準備中: {}", "正在获取绘制程序：{}", "Загрузка рисовальщика: {}"],
  preparing: ["Getting ready", "準備中", "准备中", "Подготовка"],
  offline: ["Offline: everything here still works.", "オフラインでも使えます。", "离线状态：一切照常可用。", "Нет сети, но всё работает."],
  about: ["About this page", "このページについて", "关于此页", "Об этой странице"],
  licence: ["Licence", "ライセンス", "许可", "Лицензия"],
  notices: ["Licences of the parts", "使用ソフトウェアのライセンス", "组件许可", "Лицензии компонентов"],
  lasts: ["This browser keeps nothing here; the list lasts until you close the page.", "このブラウザでは保存できません。閉じると消えます。", "此浏览器无法保存；关闭页面后列表消失。", "Браузер ничего не хранит: список исчезнет при закрытии."],
  noWasm: ["This browser cannot draw: WebAssembly is switched off or missing. Switch it on, or open the page in another browser.", "WebAssembly が使えないため描画できません。別のブラウザで開いてください。", "此浏览器未启用 WebAssembly，无法绘制。请启用或更换浏览器。", "Браузер не может рисовать: WebAssembly выключен. Включите его или откройте страницу в другом браузере."],
  badFile: ["A file of this page arrived damaged or was changed, so it is not used. Reload the page; if that does not help, tell its owner.", "ファイルが壊れているか変更されているため、使いません。再読み込みしてください。", "页面的一个文件已损坏或被改动，因此未使用。请重新加载。", "Файл страницы повреждён или изменён и не используется. Перезагрузите страницу."],
  badModel: ["This model cannot be read, so it draws nothing. Choose another one, or tell the owner of this page.", "このモデルは読み込めません。別のモデルを選んでください。", "无法读取此模型。请选择其他模型。", "Эту модель не удаётся прочитать. Выберите другую."],
  noFile: ["A file of this page could not be fetched. Check the connection, then reload.", "ファイルを取得できません。接続を確認して再読み込みしてください。", "无法获取页面文件。请检查网络后重新加载。", "Не удалось загрузить файл. Проверьте связь и перезагрузите."],
  noServer: ["The server did not draw. Is it still running?", "サーバーが応答しません。", "服务器没有绘制，是否仍在运行？", "Сервер не ответил. Он запущен?"],
  broken: ["Something went wrong here. Reload the page; your favourites are kept.", "問題が起きました。再読み込みしてください。", "出错了。请重新加载页面，收藏不会丢失。", "Что-то пошло не так. Перезагрузите страницу."],
  linkModel: ["The link names a model that is not here: {}", "リンクのモデルはありません: {}", "链接中的模型不存在：{}", "Такой модели здесь нет: {}"],
  linkSeed: ["The link has a seed that is none, so 0 is shown: {}", "リンクのシードが正しくありません: {}", "链接中的种子无效：{}", "В ссылке неверное зерно: {}"],
  linkTag: ["The link has a tag that this model does not know: {}", "このモデルにないタグです: {}", "此模型没有该标签：{}", "Модель не знает тега: {}"],
  linkDirection: ["The link has a direction that this model does not have: {}", "このモデルにない方向です: {}", "此模型没有该方向：{}", "У модели нет такого направления: {}"],
  linkNumber: ["The link has a number outside its range: {}", "リンクの数値が範囲外です: {}", "链接中的数值超出范围：{}", "Число в ссылке вне диапазона: {}"],
  linkView: ["The link asks for a view that there is not: {}", "リンクの表示がありません: {}", "链接中的视图不存在：{}", "Такого вида нет: {}"],
  badSeed: ["A seed is a whole number from 0 to 9223372036854775807.", "シードは 0 から 9223372036854775807 の整数です。", "种子是 0 到 9223372036854775807 的整数。", "Зерно — целое число от 0 до 9223372036854775807."],
  noLink: ["This picture does not say which avatar it is. Pictures saved here do.", "この画像にはアバターの情報がありません。", "此图片不含头像信息；在此保存的图片才有。", "В этой картинке нет данных аватара."],
  hair_colour: ["Hair colour", "髪の色", "发色", "Цвет волос"],
  hair_style: ["Hair", "髪型", "发型", "Причёска"],
  hair_length: ["Hair", "髪の長さ", "头发长度", "Длина волос"],
  eye_colour: ["Eyes", "目の色", "瞳色", "Цвет глаз"],
  face: ["Face", "顔", "面部", "Лицо"],
  hair: ["{} hair", "{}の髪", "{}发", "волосы: {}"],
  eyes: ["{} eyes", "{}の目", "{}眼", "глаза: {}"],
  blonde: ["blonde", "金", "金", "светлый"], brown: ["brown", "茶", "棕", "каштановый"], black: ["black", "黒", "黑", "чёрный"],
  blue: ["blue", "青", "蓝", "синий"], pink: ["pink", "ピンク", "粉", "розовый"], purple: ["purple", "紫", "紫", "фиолетовый"],
  green: ["green", "緑", "绿", "зелёный"], red: ["red", "赤", "红", "красный"], silver: ["silver", "銀", "银", "серебряный"],
  white: ["white", "白", "白", "белый"], orange: ["orange", "オレンジ", "橙", "оранжевый"], aqua: ["aqua", "水色", "水蓝", "голубой"],
  grey: ["grey", "灰", "灰", "серый"], gray: ["gray", "灰", "灰", "серый"], yellow: ["yellow", "黄", "黄", "жёлтый"],
  bicolored: ["two-coloured", "オッドアイ", "异色", "разный"],
  long_hair: ["long hair", "長い髪", "长发", "длинные волосы"], short_hair: ["short hair", "短い髪", "短发", "короткие волосы"],
  twin_tails: ["twin tails", "ツインテール", "双马尾", "два хвостика"], drill_hair: ["drill hair", "縦ロール", "卷发", "локоны"],
  ponytail: ["ponytail", "ポニーテール", "马尾", "хвост"], blush: ["blush", "赤面", "脸红", "румянец"], smile: ["smile", "笑顔", "微笑", "улыбка"],
  open_mouth: ["open mouth", "開いた口", "张嘴", "открытый рот"], hat: ["hat", "帽子", "帽子", "шляпа"], ribbon: ["ribbon", "リボン", "丝带", "лента"],
  glasses: ["glasses", "眼鏡", "眼镜", "очки"],
};

const split = (tag) => /^(.+)_(hair|eyes)$/.exec(tag);
export function tagName(tag) { // "blonde hair"
  if (tag in WORDS) return say(tag);
  const parts = split(tag);
  return parts && parts[1] in WORDS ? say(parts[2], say(parts[1])) : tag.replaceAll("_", " ");
}
export function shortName(tag, group) { // "blonde", below "Hair colour"
  const parts = split(tag);
  return /colour/.test(group.name) && parts ? (parts[1] in WORDS ? say(parts[1]) : parts[1]) : tagName(tag);
}
export const colourOf = (tag, group) => (/colour/.test(group.name) ? (split(tag)?.[1] ?? null) : null);
export const groupName = (group) => (group.name in WORDS ? say(group.name) : group.name.replaceAll("_", " "));
export const directionName = (name) => tagName(name.replace(/^sefa(?=\d)/, "SeFa ").replace(/^pca(?=\d)/, "PCA "));
