// Owns: the table of emoji that `:` completes. Pure.
import { ranked } from './complete';

export interface Emoji {
  /** The shortcode without colons. */
  name: string;
  char: string;
}

/** Shortcode and character, the most used first. */
const TABLE = [
  'thumbsup 👍|thumbsdown 👎|joy 😂|heart ❤️|smile 😄|grin 😁|tada 🎉|pray 🙏|ok_hand 👌|clap 👏|fire 🔥|rocket 🚀|eyes 👀|',
  'thinking 🤔|wink 😉|laughing 😆|rofl 🤣|sweat_smile 😅|blush 😊|slightly_smiling_face 🙂|upside_down_face 🙃|',
  'relaxed ☺️|heart_eyes 😍|kissing_heart 😘|star_struck 🤩|sunglasses 😎|nerd 🤓|smirk 😏|neutral_face 😐|',
  'expressionless 😑|unamused 😒|roll_eyes 🙄|grimacing 😬|relieved 😌|pensive 😔|sleepy 😪|sleeping 😴|yawning 🥱|',
  'mask 😷|thermometer_face 🤒|sneezing 🤧|hot_face 🥵|cold_face 🥶|dizzy_face 😵|exploding_head 🤯|partying_face 🥳|',
  'confused 😕|worried 😟|frowning 🙁|open_mouth 😮|astonished 😲|flushed 😳|pleading 🥺|cry 😢|sob 😭|scream 😱|sweat 😓|',
  'weary 😩|tired 😫|triumph 😤|rage 😡|angry 😠|skull 💀|poop 💩|clown 🤡|ghost 👻|robot 🤖|monkey 🙈|facepalm 🤦|shrug 🤷|',
  'wave 👋|raised_hand ✋|raised_hands 🙌|handshake 🤝|muscle 💪|point_up ☝️|point_right 👉|point_left 👈|',
  'point_down 👇|crossed_fingers 🤞|victory ✌️|call_me 🤙|fist 👊|writing_hand ✍️|brain 🧠|family 👪|baby 👶|dog 🐶|',
  'cat 🐱|mouse 🐭|fox 🦊|bear 🐻|panda 🐼|bee 🐝|bug 🐛|snail 🐌|turtle 🐢|unicorn 🦄|orange_heart 🧡|yellow_heart 💛|',
  'green_heart 💚|blue_heart 💙|purple_heart 💜|broken_heart 💔|sparkles ✨|star ⭐|zap ⚡|boom 💥|check ✅|x ❌|',
  'warning ⚠️|question ❓|exclamation ❗|bulb 💡|hourglass ⏳|alarm_clock ⏰|watch ⌚|calendar 📅|pushpin 📌|',
  'paperclip 📎|link 🔗|lock 🔒|unlock 🔓|key 🔑|hammer 🔨|wrench 🔧|gear ⚙️|package 📦|truck 🚚|bell 🔔|no_bell 🔕|',
  'mega 📣|speech_balloon 💬|phone 📞|email 📧|inbox 📥|outbox 📤|memo 📝|pencil ✏️|books 📚|chart 📈|chart_down 📉|',
  'clipboard 📋|folder 📁|computer 💻|printer 🖨️|battery 🔋|camera 📷|money 💰|gift 🎁|trophy 🏆|medal 🥇|target 🎯|',
  'coffee ☕|tea 🍵|beer 🍺|beers 🍻|wine 🍷|champagne 🍾|pizza 🍕|burger 🍔|fries 🍟|sandwich 🥪|salad 🥗|sushi 🍣|',
  'apple 🍎|banana 🍌|croissant 🥐|cake 🍰|birthday 🎂|cookie 🍪|chocolate 🍫|sun ☀️|cloud ☁️|rain 🌧️|snowflake ❄️|',
  'umbrella ☔|rainbow 🌈|moon 🌙|tree 🌳|flower 🌸|rose 🌹|four_leaf_clover 🍀|house 🏠|office 🏢|car 🚗|bike 🚲|train 🚆|',
  'plane ✈️|palm_tree 🌴|beach 🏖️|mountain ⛰️|soccer ⚽|basketball 🏀|music 🎵|guitar 🎸|game 🎮|recycle ♻️|sos 🆘|',
  'new 🆕|ok 🆗|up ⬆️|down ⬇️|left ⬅️|right ➡️|red_circle 🔴|yellow_circle 🟡|green_circle 🟢|checkered_flag 🏁|',
  'white_flag 🏳️|100 💯|',
];

/** The common ones, the most used first. */
export const EMOJI: readonly Emoji[] = TABLE.join('')
  .split('|')
  .filter((entry) => entry !== '')
  .map((entry) => {
    const [name = '', char = ''] = entry.split(' ');
    return { name, char };
  });

/** At most `limit` emoji for what follows `:`. */
export function matchEmoji(query: string, limit = 8): Emoji[] {
  return ranked(EMOJI, query, limit, ({ name }) => [name]);
}
