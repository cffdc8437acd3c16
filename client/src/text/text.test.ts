import { describe, expect, it } from 'vitest';
import { user } from '../testing/fakes';
import type { Message } from '../wire/protocol';
import { applyCompletion, findTrigger, matchLabels, matchUsers } from './complete';
import { checkContent, mentions, segments, utf8Length } from './content';
import { EMOJI, matchEmoji } from './emoji';
import { eventText, typingText } from './events';
import { avatarColour, checkPassword, checkRoomName, checkUserName, initials, joinNames, sameName } from './names';
import { dayKey, formatDayLabel, formatFull, formatShort, formatTime, isoTime, secondsUntil, startOfDay, startOfNextDay } from './time';

const PEOPLE = ['Ada', 'Ben', 'mira.k', 'Jürgen', '山田'];
const ROOMS = ['general', 'v1.2'];
const find = (names: string[]) => (name: string) => names.find((known) => sameName(known, name)) ?? null;
const split = (content: string) => segments(content, 'Ada', find(PEOPLE), find(ROOMS));

/** Pieces in short: links as `<…>`, people as `@{…}` with `!` for the reader, rooms as `#{…}`. */
function outline(content: string): string {
  return split(content)
    .map((piece) => {
      if (piece.kind === 'link') return `<${piece.text}>`;
      if (piece.kind === 'user') return `@{${piece.name}${piece.me ? '!' : ''}}`;
      return piece.kind === 'room' ? `#{${piece.name}}` : piece.text;
    })
    .join('');
}

describe('segments', () => {
  it.each([
    ['plain', 'plain'],
    ['see https://a.example/x?y=1#z.', 'see <https://a.example/x?y=1#z>.'],
    ['(http://a.example/b)', '(<http://a.example/b>)'],
    ['https://de.example/wiki/Kaffee_(Getränk) gut', '<https://de.example/wiki/Kaffee_(Getränk)> gut'],
    ['HTTP://A.EXAMPLE', '<HTTP://A.EXAMPLE>'],
    ['http:// nothing', 'http:// nothing'],
    ['javascript:alert(1) data:text/html,x', 'javascript:alert(1) data:text/html,x'],
    ['<b>https://a.example</b>', '<b><https://a.example></b>'],
    ['hi @ben, @BEN. and @nobody', 'hi @{Ben}, @{Ben}. and @nobody'],
    ['@ada @all @here', '@{Ada!} @{all!} @{here!}'],
    ['@mira.k. said', '@{mira.k}. said'],
    ['mail me@ben.example or x@Ben', 'mail me@ben.example or x@Ben'],
    ['@Jürgen und @山田さん', '@{Jürgen} und @山田さん'],
    ['#general and #v1.2, not #none', '#{general} and #{v1.2}, not #none'],
    ['https://a.example/#general @Ben', '<https://a.example/#general> @{Ben}'],
  ])('%s', (content, expected) => expect(outline(content)).toBe(expected));

  it('lose no character', () => {
    for (const content of ['', 'a\n\nb ', '@Ben@Ben https://x.example, #general#general', ' https://[bad @ada']) {
      expect(split(content).map(({ text }) => text).join('')).toBe(content);
    }
  });

  it('are found in the longest message without delay', () => {
    // Quadratic time would hold the page for seconds, and run into the limit of a test.
    for (const hard of ['@'.repeat(16_384), 'http://'.repeat(2_340), `http://a.example/${')'.repeat(16_000)}`, '@a.'.repeat(5_000)]) {
      for (let round = 0; round < 20; round++) {
        expect(split(hard).map(({ text }) => text).join('')).toBe(hard);
        mentions(hard, 'Ada');
      }
    }
  });
});

describe('mentions', () => {
  it.each([
    ['hi @ada', true],
    ['@ADA!', true],
    ['@ada.', true],
    ['@all hands', true],
    ['@Here', true],
    ['ada', false],
    ['@adam', false],
    ['x@ada', false],
    ['http://x/@ada', false],
  ])('%s', (content, expected) => expect(mentions(content, 'Ada')).toBe(expected));
});

describe('checkContent', () => {
  it('lets through what the server takes', () => {
    for (const text of ['x', ' x ', 'é'.repeat(8_192), 'a'.repeat(16_384), '"'.repeat(16_384), '👍']) expect(checkContent(text)).toBeNull();
  });

  it('says what is wrong with the rest', () => {
    expect(checkContent('')).toMatch(/Write/);
    expect(checkContent(' \n\t ')).toMatch(/Write/);
    expect(checkContent('a'.repeat(16_385))).toBe('The message is too long by 1 bytes. Split it.');
    expect(checkContent('a\0b')).toMatch(/NUL/);
    expect(checkContent('a\ud800')).toMatch(/half a character/);
    expect(checkContent('\u0001'.repeat(16_000))).toMatch(/invisible/);
  });

  it('counts bytes', () => expect(utf8Length('é山👍a')).toBe(2 + 3 + 4 + 1));
});

describe('completion', () => {
  it.each([
    ['@', { kind: 'user', query: '', start: 0 }],
    ['hi @be', { kind: 'user', query: 'be', start: 3 }],
    ['(#gen', { kind: 'room', query: 'gen', start: 1 }],
    [':th', { kind: 'emoji', query: 'th', start: 0 }],
    ['me@be', null],
    [':)', null],
    ['12:30', null],
    ['a:thumb', null],
    ['@ben ', null],
    ['http://x/#y', null],
  ])('after %s', (text, expected) => expect(findTrigger(text, text.length)).toEqual(expected));

  it('looks at what stands before the caret', () => {
    expect(findTrigger('@be and more', 3)).toMatchObject({ query: 'be' });
    expect(applyCompletion('@be and more', 3, { kind: 'user', query: 'be', start: 0 }, '@Ben')).toEqual({ text: '@Ben and more', caret: 5 });
    expect(applyCompletion('hi @be', 6, { kind: 'user', query: 'be', start: 3 }, '@Ben')).toEqual({ text: 'hi @Ben ', caret: 8 });
  });

  it('offers those that begin with it first', () => {
    const people = [user('abel'), user('x', { display_name: 'Otto Bell' }), user('Ben'), user('Cy')];
    expect(matchUsers(people, 'be').map(({ name }) => name)).toEqual(['Ben', 'x', 'abel']);
    expect(matchUsers(people, '').length).toBe(4);
    expect(matchUsers(people, 'zz')).toEqual([]);
    expect(matchLabels([{ label: 'night shift' }, { label: 'Shipping' }], 'sh').map(({ label }) => label)).toEqual(['Shipping', 'night shift']);
    expect(matchUsers(Array.from({ length: 50 }, (_, index) => user(`u${index}`)), 'u')).toHaveLength(8);
  });
});

describe('emoji', () => {
  it('are about 200, each with a name of its own', () => {
    expect(EMOJI.length).toBeGreaterThan(150);
    expect(new Set(EMOJI.map(({ name }) => name)).size).toBe(EMOJI.length);
    for (const { name, char } of EMOJI) {
      expect(name).toMatch(/^[a-z0-9_]+$/);
      expect(char).toMatch(/\p{Extended_Pictographic}/u);
    }
  });

  it('are found by their beginning first', () => {
    expect(matchEmoji('thumb').map(({ char }) => char)).toEqual(['👍', '👎']);
    expect(matchEmoji('heart')[0]?.name).toBe('heart');
  });
});

describe('names', () => {
  it('give initials', () => {
    expect(['Eva Hofmann', 'eva', 'mira.kovač', 'Ada Maria Lind', '山田', '👍', ''].map(initials)).toEqual(['EH', 'E', 'MK', 'AL', '山', '?', '?']);
  });

  it('give a colour that stays, whatever the case', () => {
    expect(avatarColour('Ada')).toBe(avatarColour('ADA'));
    const colours = new Set(Array.from({ length: 100 }, (_, index) => avatarColour(`user${index}`)));
    expect([...colours].sort()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are joined as in a sentence', () => {
    expect(joinNames([])).toBe('');
    expect(joinNames(['Ada'])).toBe('Ada');
    expect(joinNames(['Ada', 'Ben'])).toBe('Ada and Ben');
    expect(joinNames(['Ada', 'Ben', 'Cy'])).toBe('Ada, Ben and Cy');
    expect(joinNames(['Ada', 'Ben', 'Cy', 'Di', 'Eli'])).toBe('Ada, Ben and 3 others');
    expect(joinNames(['Ada', 'Ben', 'Cy'], 2)).toBe('Ada and 2 others');
  });

  it.each(['a', 'Ada', 'a.b_c-d', 'Jürgen', '山田', '7', 'x'.repeat(32)])('%s can be a user', (name) => expect(checkUserName(name)).toBeNull());
  it.each(['', ' ', 'a b', 'a ', '...', 'a/b', 'me', 'Server', 'x'.repeat(33), 'e\u0301', '👍', 'a@b'])('"%s" cannot be a user', (name) =>
    expect(checkUserName(name)).toMatch(/\.$/),
  );
  it.each(['night shift', 'v1.2', 'x'.repeat(64)])('%s can be a room', (name) => expect(checkRoomName(name)).toBeNull());
  it.each([' a', 'a ', 'a  b', '#a', 'all', 'x'.repeat(65)])('"%s" cannot be a room', (name) => expect(checkRoomName(name)).toMatch(/\.$/));

  it('check passwords by bytes', () => {
    expect(checkPassword('1234567')).toBe('That is too short. 8 characters are always enough.');
    expect(checkPassword('12345678')).toBeNull();
    // Fewer characters may do, where each has several bytes.
    expect(checkPassword('ééé')).toBe('That is too short. 8 characters are always enough.');
    expect(checkPassword('éééé')).toBeNull();
    expect(checkPassword('é'.repeat(129))).toMatch(/at most 256/);
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 20, 15, 4).getTime();
  const day = 24 * 60 * 60 * 1000;

  it('name days', () => {
    expect(formatDayLabel(now, now)).toBe('Today');
    expect(formatDayLabel(now - day, now)).toBe('Yesterday');
    expect(formatDayLabel(now - 2 * day, now)).toMatch(/18/);
    expect(formatDayLabel(now - 2 * day, now)).not.toMatch(/2026/);
    expect(formatDayLabel(new Date(2025, 10, 20).getTime(), now)).toMatch(/2025/);
  });

  it('know where days begin and end', () => {
    expect(dayKey(now)).toBe('2026-11-20');
    expect(startOfDay(now)).toBe(new Date(2026, 10, 20).getTime());
    expect(startOfNextDay(now)).toBe(new Date(2026, 10, 21).getTime());
    expect(startOfNextDay(startOfNextDay(now) - 1)).toBe(startOfNextDay(now));
  });

  it('are written shortly and in full', () => {
    expect(formatTime(now)).toMatch(/04/);
    expect(formatShort(now, now)).toBe(formatTime(now));
    expect(formatShort(now - 3 * day, now)).toMatch(/17/);
    expect(formatShort(now - 400 * day, now)).toMatch(/2025/);
    expect(formatFull(now)).toMatch(/2026/);
    expect(isoTime(0)).toBe('1970-01-01T00:00:00.000Z');
    expect([secondsUntil(1500, 0), secondsUntil(0, 1500)]).toEqual([2, 0]);
  });
});

describe('announcements', () => {
  const nameOf = (name: string) => (name === 'Ada' ? 'You' : name);
  const says = (event: Message['event']) =>
    eventText({ room: 'r', seq: 1, sender: 'Server', content: 'as the server says', timestamp: 0, event }, nameOf);

  it('are put into words', () => {
    expect(says({ kind: 'created', user: 'Ada', users: [] })).toBe('You created the room');
    expect(says({ kind: 'created', user: 'Ben', users: ['Ada', 'Cy'] })).toBe('Ben created the room and added you and Cy');
    expect(says({ kind: 'joined', user: 'Ben' })).toBe('Ben joined the room');
    expect(says({ kind: 'added', user: 'Ada', users: ['Ben'] })).toBe('You added Ben');
    expect(says({ kind: 'left', user: 'Ben' })).toBe('Ben left the room');
  });

  it('that are not known are shown as the server says', () => {
    expect(says(undefined)).toBe('as the server says');
    expect(says({ kind: 'renamed', user: 'Ben' } as unknown as Message['event'])).toBe('as the server says');
  });

  it('tell who types', () => {
    expect([[], ['Ada'], ['Ada', 'Ben'], ['a', 'b', 'c', 'd']].map(typingText)).toEqual([
      '',
      'Ada is typing…',
      'Ada and Ben are typing…',
      'Several people are typing…',
    ]);
  });
});
