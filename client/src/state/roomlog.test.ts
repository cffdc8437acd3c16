import { describe, expect, it } from 'vitest';
import { messages } from '../testing/fakes';
import type { Message } from '../wire/protocol';
import { RoomLog, TAIL_KEPT } from './roomlog';

const one = (seq: number) => messages(seq, seq)[0] as Message;
const three = one(3);
const four = one(4);
const five = one(5);
const six = one(6);

describe('RoomLog', () => {
  it('takes each message once, in order', () => {
    const log = new RoomLog(2);
    expect(log.receive(three)).toEqual([three]);
    expect(log.receive(three)).toEqual([]);
    expect(log.receive(one(1))).toEqual([]);
    expect(log.receive(four)).toEqual([four]);
    expect(log.tail).toEqual([three, four]);
    expect(log.seen).toBe(4);
  });

  it('holds back an acknowledged message until what is before it has come', () => {
    const log = new RoomLog(3);
    expect(log.acknowledge(five)).toEqual([]);
    expect(log.acknowledge(six)).toEqual([]);
    expect(log.early).toEqual([five, six]);
    expect(log.seen).toBe(3);
    expect(log.receive(four)).toEqual([four, five, six]);
    expect(log.early).toEqual([]);
    expect(log.receive(five)).toEqual([]);
    expect(log.seen).toBe(6);
  });

  it('takes an acknowledged message at once where nothing is missing', () => {
    const log = new RoomLog(2);
    expect(log.acknowledge(three)).toEqual([three]);
    expect(log.receive(three)).toEqual([]);
  });

  it('begins a new tail after a Gap', () => {
    const log = new RoomLog(2);
    log.receive(three);
    log.skipTo(700);
    expect(log.seen).toBe(699);
    expect(log.tail).toEqual([]);
    const fresh = messages(700, 702);
    for (const message of fresh) log.receive(message);
    expect(log.tail).toEqual(fresh);
    log.skipTo(5);
    expect(log.seen).toBe(702);
  });

  it('keeps a bounded tail without a hole', () => {
    const log = new RoomLog(0);
    for (const message of messages(1, 5 * TAIL_KEPT + 7)) log.receive(message);
    expect(log.tail.length).toBeLessThanOrEqual(2 * TAIL_KEPT);
    expect(log.tail.length).toBeGreaterThanOrEqual(TAIL_KEPT);
    expect(log.tail.at(-1)?.seq).toBe(log.seen);
    expect((log.tail.at(-1)?.seq ?? 0) - (log.tail[0]?.seq ?? 0)).toBe(log.tail.length - 1);
  });
});
