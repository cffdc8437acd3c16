/*
 * The part of a message to show for a hit: the words around the first place, every place in it marked. Pure.
 */

export interface Piece {
  text: string;
  hit: boolean;
}

/** Characters shown before the first place. */
const BEFORE = 60;
/** Characters shown in all. */
const MOST = 280;

/** Cuts `content` around `query`, ignoring case as the server does; the pieces joined are the part that is shown. */
export function excerpt(content: string, query: string): Piece[] {
  // Lower case can be longer than what it came from ("İ"); places would be off, so such text is searched as it is.
  const lower = content.toLowerCase();
  const text = lower.length === content.length ? lower : content;
  const wanted = query.toLowerCase();
  const first = wanted ? text.indexOf(wanted) : -1;
  const from = first > BEFORE ? wordStart(content, first - BEFORE) : 0;
  const to = Math.min(content.length, from + MOST);
  const pieces: Piece[] = from > 0 ? [{ text: '… ', hit: false }] : [];
  let at = from;
  for (let hit = first; hit >= 0 && hit < to; hit = text.indexOf(wanted, hit + wanted.length)) {
    if (hit > at) pieces.push({ text: content.slice(at, hit), hit: false });
    at = Math.min(hit + wanted.length, content.length);
    pieces.push({ text: content.slice(hit, at), hit: true });
  }
  if (at < to) pieces.push({ text: content.slice(at, to), hit: false });
  if (to < content.length) pieces.push({ text: ' …', hit: false });
  return pieces;
}

/** The start of the word at `index`, so that no word and no character is cut in two. */
function wordStart(content: string, index: number): number {
  const space = content.slice(index, index + BEFORE).search(/\s/u);
  if (space >= 0) return index + space + 1;
  const code = content.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff ? index + 1 : index;
}
