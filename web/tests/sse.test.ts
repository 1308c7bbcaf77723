// SPDX-License-Identifier: MIT OR Apache-2.0
import { describe, expect, it } from 'vitest';
import { utf8 } from '../src/lib/bytes';
import { FRAME_MAX_CHARS, type StreamEvent, StreamParser } from '../src/lib/sse';

function parse(text: string, cut: number): { events: StreamEvent[]; retry: number[] } {
  const events: StreamEvent[] = [];
  const retry: number[] = [];
  const parser = new StreamParser((e) => events.push(e), (ms) => retry.push(ms));
  const bytes = utf8(text);
  for (let at = 0; at < bytes.length; at += cut) parser.push(bytes.subarray(at, at + cut));
  return { events, retry };
}

const table: [string, StreamEvent[]][] = [
  ['data: a\n\n', [{ name: 'message', data: 'a', id: '' }]],
  ['id: 7\ndata: a\n\ndata: b\n\n', [{ name: 'message', data: 'a', id: '7' }, { name: 'message', data: 'b', id: '7' }]],
  ['event: ready\nid: 3\ndata: {"x":1}\n\n', [{ name: 'ready', data: '{"x":1}', id: '3' }]],
  [': keep-alive\n\nretry: 3000\n\n', []],
  ['data: a\r\ndata: b\r\n\r\n', [{ name: 'message', data: 'a\nb', id: '' }]],
  ['data: a\rdata:b\r\rx: y\n', [{ name: 'message', data: 'a\nb', id: '' }]],
  ['\uFEFFdata: bom\n\n', [{ name: 'message', data: 'bom', id: '' }]],
  ['data: grüße 😀\n\n', [{ name: 'message', data: 'grüße 😀', id: '' }]],
  ['data\n\nevent: x\n\n', [{ name: 'message', data: '', id: '' }]],
  ['id: 1\0\ndata: a\n\n', [{ name: 'message', data: 'a', id: '' }]],
  ['data: no end', []],
];

describe('the event stream', () => {
  it.each(table)('%j', (text, want) => {
    for (const cut of [1, 2, 3, 7, 1000]) expect(parse(text, cut).events).toEqual(want);
  });

  it('tells the time to wait', () => expect(parse('retry: 3000\nretry: x\nretry: -1\n\n', 4).retry).toEqual([3000]));

  it('does not take a frame without end', () => {
    const parser = new StreamParser(() => undefined, () => undefined);
    const chunk = utf8('data: ' + 'x'.repeat(1 << 20) + '\n');
    expect(() => {
      for (let i = 0; i * chunk.length <= FRAME_MAX_CHARS + chunk.length; i++) parser.push(chunk);
    }).toThrow('frame too large');
  });
});
