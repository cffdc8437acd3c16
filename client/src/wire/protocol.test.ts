// The sample of every frame, which the server's tests read as well: neither side can change a frame alone.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Sample {
  name: string;
  direction: 'client' | 'server';
  frame: Record<string, unknown>;
}

/** A field's type: a word of `typeof`, a list (of one type), an object of fields, or one of several words. A `?` after a field's name: it may be missing. */
type Shape = string | [Shape] | { [field: string]: Shape } | Set<string>;

const USER: Shape = { name: 'string', display_name: 'string', admin: 'boolean', active: 'boolean' };
const ROOM: Shape = {
  name: 'string',
  kind: new Set(['public', 'private', 'direct']),
  topic: 'string',
  member_count: 'number',
  'members?': ['string'],
  last_seq: 'number',
  read_seq: 'number',
  created: 'number',
  creator: 'string',
  'last_timestamp?': 'number',
};
const EVENT: Shape = { kind: new Set(['created', 'joined', 'added', 'left']), 'user?': 'string', 'users?': ['string'] };
const MESSAGE: Shape = {
  room: 'string',
  seq: 'number',
  sender: 'string',
  content: 'string',
  timestamp: 'number',
  'id?': 'string',
  'event?': EVENT,
};

/** What this client reads, as `protocol.ts` says it. */
const SERVER: Record<string, Shape> = {
  Welcome: { user: USER, rooms: [ROOM], online: ['string'], users: 'string', version: 'string' },
  Gap: { room: 'string', after: 'number', before: 'number' },
  Message: MESSAGE,
  Error: { code: 'string', message: 'string', 'retry_after_ms?': 'number' },
  Room: ROOM,
  Added: { room: 'string', 'adder?': 'string', added: ['string'] },
  Left: { room: 'string', user: 'string' },
  Read: { room: 'string', seq: 'number' },
  Typing: { room: 'string', user: 'string' },
  Presence: { online: ['string'], offline: ['string'] },
  User: USER,
};

/** What this client sends. */
const CLIENT: Record<string, Shape> = {
  Hello: { token: 'string', 'since?': {} },
  Message: { room: 'string', content: 'string' },
  Read: { room: 'string', seq: 'number' },
  Typing: { room: 'string' },
  Ping: 'undefined',
};

/** What does not fit, by its path; nothing where `value` has the shape. Fields beyond the shape are allowed, as the protocol says. */
function misfits(value: unknown, shape: Shape, path: string): string[] {
  if (typeof shape === 'string') return typeof value === shape ? [] : [`${path} is no ${shape}`];
  if (shape instanceof Set) return shape.has(String(value)) ? [] : [`${path} is ${String(value)}`];
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${path} is no list`];
    return value.flatMap((item, index) => misfits(item, shape[0], `${path}[${index}]`));
  }
  if (typeof value !== 'object' || value === null) return [`${path} is no object`];
  const fields = value as Record<string, unknown>;
  return Object.entries(shape).flatMap(([key, inner]) => {
    const field = key.replace('?', '');
    if (!(field in fields)) return key.endsWith('?') ? [] : [`${path}.${field} is missing`];
    return misfits(fields[field], inner, `${path}.${field}`);
  });
}

const samples = readFileSync('../tests/fixtures/frames.jsonl', 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Sample);

function ofAction(direction: string, shapes: Record<string, Shape>): [string, string, Sample][] {
  return samples.flatMap((sample) => {
    const action = sample.frame['action'];
    return sample.direction === direction && typeof action === 'string' && action in shapes ? [[sample.name, action, sample]] : [];
  });
}

describe.each([
  ['server', SERVER],
  ['client', CLIENT],
] as const)('frames of the %s', (direction, shapes) => {
  it.each(ofAction(direction, shapes))('%s is as this client takes it', (_, action, { frame }) => {
    expect(misfits(frame['data'], shapes[action] ?? 'undefined', action)).toEqual([]);
  });

  it('have a sample each', () => {
    const sampled = new Set(ofAction(direction, shapes).map(([, action]) => action));
    expect(Object.keys(shapes).filter((action) => !sampled.has(action))).toEqual([]);
  });
});

it('answers are told apart by their id', () => {
  const acks = samples.filter(({ frame }) => frame['action'] === 'Ack');
  expect(acks.length).toBeGreaterThan(0);
  for (const { frame } of acks) expect(typeof frame['id']).toBe('string');
  const [stored] = acks.filter(({ name }) => name === 'Ack of Message');
  expect(misfits(stored?.frame['data'], { room: 'string', seq: 'number', timestamp: 'number' }, 'Ack')).toEqual([]);
});

it('a shape that does not fit is found', () => {
  expect(misfits({ room: 1, seq: 2 }, { room: 'string', seq: 'number', 'id?': 'string', at: 'number' }, 'x')).toEqual(['x.room is no string', 'x.at is missing']);
  expect(misfits({ kind: 'secret', members: [1] }, { kind: new Set(['public']), members: ['string'] }, 'x')).toEqual(['x.kind is secret', 'x.members[0] is no string']);
});
