// Owns: the words for what `Server` announces. Pure.
import type { Message } from '../wire/protocol';

/** The sentence for an announcement; `nameOf` gives what to call somebody ('You' for the reader). Falls back to the message's content. */
export function eventText(message: Message, nameOf: (name: string) => string): string {
  throw new Error(`skeleton ${message} ${nameOf}`);
}

/** `Ada is typing…`, `Ada and Ben are typing…`, `Several people are typing…`; '' for nobody. */
export function typingText(displayNames: readonly string[]): string {
  throw new Error(`skeleton ${displayNames}`);
}
