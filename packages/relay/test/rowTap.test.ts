import { EventEmitter } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowTap } from '../dist/rowTap.js'

const rowType = 'D'.charCodeAt(0)
const message = fc.record({
  type: fc.constantFrom(...'DDDCZEN1'),
  body: fc.uint8Array({ maxLength: 40 }),
})

function bytesOf({ type, body }: { type: string; body: Uint8Array }): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** The stream in pieces, which end anywhere. */
function cut(stream: Buffer, ends: readonly number[]): Buffer[] {
  const at = [0, ...ends.map((end) => end % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  return at.slice(1).map((end, index) => stream.subarray(at[index], end))
}

test('however the stream is cut, rows are taken out of it whole and pg gets every other byte in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      async (messages, ends) => {
        const all = messages.map(bytesOf)
        const stream = new EventEmitter()
        const passed: Buffer[] = []
        stream.on('data', (chunk: Buffer) => passed.push(Buffer.from(chunk)))
        const tap = new RowTap(stream)
        const rows: Buffer[] = []
        const pieces = cut(Buffer.concat(all), ends).filter((piece) => piece.length > 0)
        await tap.during(
          (bytes, start, end) => rows.push(Buffer.from(bytes.subarray(start, end))),
          async () => {
            for (const piece of pieces) stream.emit('data', piece)
          },
        )
        expect(rows).toEqual(all.filter((each) => each[0] === rowType).map((each) => each.subarray(5)))
        expect(Buffer.concat(passed)).toEqual(Buffer.concat(all.filter((each) => each[0] !== rowType)))
      },
    ),
  )
})

test('while nobody asks for rows, pg gets them too', () => {
  const stream = new EventEmitter()
  const passed: Buffer[] = []
  stream.on('data', (chunk: Buffer) => passed.push(chunk))
  new RowTap(stream)
  const row = bytesOf({ type: 'D', body: Buffer.from('row') })
  for (const byte of row) stream.emit('data', Buffer.from([byte]))
  stream.emit('data', row)
  expect(Buffer.concat(passed)).toEqual(Buffer.concat([row, row]))
})
