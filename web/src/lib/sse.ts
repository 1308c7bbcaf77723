// lib/sse.ts -- reads an event stream (WHATWG HTML, 9.2) from the bytes of a response.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

export interface StreamEvent {
  /** "message" when the frame names none. */
  name: string;
  data: string;
  /** The last id, of this frame or of one before it. */
  id: string;
}

/** A frame larger than this is no frame of ours; the row in it has at most 256 KiB of envelope. */
export const FRAME_MAX_CHARS = 2 * 1024 * 1024;

export class StreamParser {
  #rest = '';
  #data: string[] = [];
  #chars = 0;
  #name = '';
  #id = '';
  #began = false;
  readonly #decoder = new TextDecoder();

  constructor(
    private readonly onEvent: (event: StreamEvent) => void,
    private readonly onRetry: (ms: number) => void,
  ) {}

  /** Throws for a frame over FRAME_MAX_CHARS. */
  push(bytes: Uint8Array): void {
    let text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    if (!this.#began && text) {
      text = text.replace(/^\uFEFF/, '');
      this.#began = true;
    }
    let at = 0;
    for (;;) {
      const end = this.#lineEnd(text, at);
      if (!end) break;
      this.#line(text.slice(at, end.stop));
      at = end.next;
    }
    this.#rest = text.slice(at);
    if (this.#rest.length + this.#chars > FRAME_MAX_CHARS) throw new Error('frame too large');
  }

  /** LF, CR LF or CR; a CR at the very end waits for what follows. */
  #lineEnd(text: string, from: number): { stop: number; next: number } | undefined {
    const lf = text.indexOf('\n', from);
    const cr = text.indexOf('\r', from);
    if (cr < 0 || (lf >= 0 && lf < cr)) return lf < 0 ? undefined : { stop: lf, next: lf + 1 };
    if (cr + 1 >= text.length) return undefined;
    return { stop: cr, next: text[cr + 1] === '\n' ? cr + 2 : cr + 1 };
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#data.push(value);
      this.#chars += value.length;
    } else if (field === 'event') this.#name = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.onRetry(Number(value));
  }

  #dispatch(): void {
    const { length } = this.#data;
    const event = { name: this.#name || 'message', data: this.#data.join('\n'), id: this.#id };
    this.#data = [];
    this.#chars = 0;
    this.#name = '';
    if (length > 0) this.onEvent(event);
  }
}
