// Owns: who is signed in, and the token. Never opens the socket.
import type { User } from '../wire/protocol';

/**
 * `loading`: nothing is known yet (only before `App.start`). `expired`: somebody was signed in, and the server asks for the
 * password again; `user`, drafts and unsent messages are still there, and the interface stays behind a dialog.
 */
export type Phase = 'loading' | 'signed-out' | 'signed-in' | 'expired';

export class Session {
  phase: Phase = $state('loading');
  /** Null in the phases `loading` and `signed-out`. */
  user: User | null = $state.raw(null);
  /** The name of the user, or ''. */
  name: string = $derived(this.user?.name ?? '');

  /** Throws `ApiError`: `unauthorized`, `rate_limited` (with `retryAfterMs`), `network` (code of our own: no answer). */
  signIn(name: string, password: string): Promise<void> {
    throw new Error(`skeleton ${name} ${password}`);
  }

  /** Makes an account and signs in. Throws `ApiError`: `user_exists`, `bad_name`, `bad_password`, `registration_closed`, `rate_limited`, `network`. */
  register(name: string, password: string): Promise<void> {
    throw new Error(`skeleton ${name} ${password}`);
  }

  /** Whether somebody has this name already (for a hint while one registers). Throws `ApiError`. */
  nameTaken(name: string): Promise<boolean> {
    throw new Error(`skeleton ${name}`);
  }

  /** In the phase `expired`: signs the same user in again. Throws as `signIn`. */
  signInAgain(password: string): Promise<void> {
    throw new Error(`skeleton ${password}`);
  }

  /** Signs out in this browser, all its tabs. Drafts and unsent messages stay stored for the next time. */
  signOut(): void {
    throw new Error('skeleton');
  }

  /** Signs out everywhere. Throws `ApiError`. */
  signOutEverywhere(): Promise<void> {
    throw new Error('skeleton');
  }

  /** Changes the password; other browsers are signed out, this one stays. Throws `ApiError`: `forbidden` (old is wrong), `bad_password`. */
  changePassword(old: string, fresh: string): Promise<void> {
    throw new Error(`skeleton ${old} ${fresh}`);
  }
}
