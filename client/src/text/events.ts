// Owns: the words for what `Server` announces and for who types. Pure.
import type { Message } from '../wire/protocol';
import { joinNames } from './names';

/** Names in an announcement; a room that begins with five thousand people does not list them. */
const NAMES_SHOWN = 6;

/** The sentence for an announcement; `nameOf` gives what to call somebody ('You' for the reader). Falls back to the message's content. */
export function eventText({ event, content }: Message, nameOf: (name: string) => string): string {
  if (!event?.user) return content;
  const actor = nameOf(event.user);
  const others = joinNames((event.users ?? []).map((name) => midSentence(nameOf(name))), NAMES_SHOWN);
  switch (event.kind) {
    case 'created':
      return others === '' ? `${actor} created the room` : `${actor} created the room and added ${others}`;
    case 'joined':
      return `${actor} joined the room`;
    case 'added':
      return others === '' ? content : `${actor} added ${others}`;
    case 'left':
      return `${actor} left the room`;
    default:
      // A newer server announces something that this page has no words for.
      return content;
  }
}

/** `Ada is typing…`, `Ada and Ben are typing…`, `Several people are typing…`; '' for nobody. */
export function typingText(displayNames: readonly string[]): string {
  if (displayNames.length === 0) return '';
  if (displayNames.length > 3) return 'Several people are typing…';
  return `${joinNames(displayNames)} ${displayNames.length === 1 ? 'is' : 'are'} typing…`;
}

function midSentence(name: string): string {
  return name === 'You' ? 'you' : name;
}
