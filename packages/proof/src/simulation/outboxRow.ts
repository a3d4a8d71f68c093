/** A row of the outbox in the model. `number` tells messages apart: it stands in the id. */
export interface OutboxRow {
  readonly number: number
  readonly topic: string
  readonly key: string | null
  readonly position: number
  readonly xid: number
  /** The leaf it is in. */
  readonly slot: number
  /** Virtual milliseconds. */
  readonly createdAt: number
}

/** Times in ids, a day apart; virtual time begins an hour after the last of them. */
const days = ['019b6730-a580', '019b6c57-0180', '019b717d-5d80', '019b76a3-b980']

/** The id of message `number`, a UUIDv7. */
export function idOf(number: number): string {
  return `${days[number % days.length]}-7000-8000-${String(number).padStart(12, '0')}`
}

export function numberOf(id: string): number {
  return Number(id.slice(24))
}

/** The time in an id, in milliseconds since the Unix epoch. */
export function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

/** A DataRow message of the columns that the relay asks for, behind a header that is NULL: all in binary format. */
export function dataRow(row: OutboxRow, first: number = row.position): Buffer {
  const columns = [int64(first), uuid(row.number), int64(0), text('shop'), text(row.topic), text('made'), null]
  return message([null, ...columns, row.key === null ? null : text(row.key), null, text('{}')])
}

/** The row that names the statement's snapshot. */
export function headerRow(header: string): Buffer {
  return message([text(header), ...Array<null>(10).fill(null)])
}

function message(columns: readonly (Buffer | null)[]): Buffer {
  const size = columns.reduce((sum, column) => sum + 4 + (column?.length ?? 0), 0)
  const bytes = Buffer.alloc(7 + size)
  bytes.write('D')
  bytes.writeInt32BE(6 + size, 1)
  bytes.writeInt16BE(columns.length, 5)
  let at = 7
  for (const column of columns) {
    bytes.writeInt32BE(column?.length ?? -1, at)
    at += 4
    if (column !== null) at += column.copy(bytes, at)
  }
  return bytes
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

function uuid(number: number): Buffer {
  return Buffer.from(idOf(number).replaceAll('-', ''), 'hex')
}

function text(value: string): Buffer {
  return Buffer.from(value)
}

/** The position in a row's DataRow: behind type, length, number of columns, the header's NULL, and its own length. */
export function positionIn(message: Buffer): number {
  return Number(message.readBigInt64BE(15))
}
