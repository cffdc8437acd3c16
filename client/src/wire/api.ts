// Owns: HTTP to the server. Knows tokens and errors; never retries, never keeps state of the chat.

/** What the server (or the lack of one) answered. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** The server's stable word, or `network`. */
    readonly code: string,
    /** A sentence for the person. */
    message: string,
    /** Where rate limited: when to try again. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** The sentence to show for anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
