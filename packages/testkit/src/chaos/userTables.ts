import type { Tx } from '@oncebox/core'

/** A row as text, by column. */
export type RowText = Readonly<Record<string, string | null>>

/** The rows of each table, by the table's plain name (with its schema, where that is not `public`). */
export type TableRows = ReadonlyMap<string, readonly RowText[]>

export interface Column {
  readonly name: string
  readonly type: string
  /** Filled by a sequence. */
  readonly serial: boolean
  /** Filled by any other default. */
  readonly defaulted: boolean
  readonly generated: boolean
}

export interface UserTable {
  readonly name: string
  readonly columns: readonly Column[]
}

interface KnownTable extends UserTable {
  readonly qualified: string
  /** Its rows when it was looked at first, as JSON. */
  saved: string
}

/** What handlers leave behind in the outbox, without what differs from run to run anyway. */
const emitted = {
  name: 'oncebox.outbox',
  sql: (
    schema: string,
  ) => `SELECT topic, key, type, source, headers::text AS headers, convert_from(payload, 'SQL_ASCII') AS payload
    FROM ${schema}.outbox`,
  columns: ['topic', 'key', 'type', 'source', 'headers', 'payload'],
}

/** Tables of oncebox that a delivery writes to. */
const written = [
  ...['inbox', 'inbox_foreign', 'attempt', 'dead_letter', 'dead_letter_copy', 'dead_letter_action'],
  ...['parked_key', 'parked_delivery', 'consumer_offset', 'held_partition', 'business_key', 'outbox', 'scheduled'],
]

/** The user's tables of one database: what is in them, and the way back to what was in them first. */
export class UserTables {
  readonly #client: Tx
  readonly #schema: string
  readonly #tables: readonly KnownTable[]
  readonly #sequences: readonly { readonly name: string; readonly last: string; readonly called: boolean }[]

  private constructor(
    client: Tx,
    schema: string,
    tables: readonly KnownTable[],
    sequences: readonly { name: string; last: string; called: boolean }[],
  ) {
    this.#client = client
    this.#schema = schema
    this.#tables = tables
    this.#sequences = sequences
  }

  /** Learns the tables as they are now; `client` has a session for itself, whose user may do everything here. */
  static async of(client: Tx, schema: string): Promise<UserTables> {
    const { rows } = await client.query<{ name: string; qualified: string; columns: Column[] }>(tablesQuery, [schema])
    const tables: KnownTable[] = []
    for (const table of rows) {
      const { rows: saved } = await client.query<{ row: string }>(
        `SELECT row_to_json(t)::text AS row FROM ${table.qualified} AS t`,
      )
      tables.push({ ...table, saved: `[${saved.map(({ row }) => row).join(',')}]` })
    }
    const { rows: names } = await client.query<{ name: string }>(sequencesQuery, [schema])
    const sequences = []
    for (const { name } of names) {
      const { rows: state } = await client.query<{ last: string; called: boolean }>(
        `SELECT last_value::text AS last, is_called AS called FROM ${name}`,
      )
      sequences.push({ name, last: state[0]?.last ?? '1', called: state[0]?.called ?? false })
    }
    return new UserTables(client, schema, tables, sequences)
  }

  get all(): readonly UserTable[] {
    const columns = emitted.columns.map((name) => ({
      name,
      type: 'text',
      serial: false,
      defaulted: false,
      generated: false,
    }))
    return [...this.#tables, { name: emitted.name, columns }]
  }

  /** Puts everything back; sequences then go on `ahead` further than they were. */
  async restore(ahead: number): Promise<void> {
    const client = this.#client
    const emptied = [
      ...written.map((name) => `${this.#schema}.${name}`),
      ...this.#tables.map(({ qualified }) => qualified),
    ]
    const deletes = emptied.map((name) => `DELETE FROM ${name}`)
    // Without parameters, several statements go in one.
    await client.query(`BEGIN; SET LOCAL session_replication_role = replica; ${deletes.join('; ')}`)
    for (const { qualified, columns, saved } of this.#tables) {
      if (saved === '[]') continue
      const names = columns.filter(({ generated }) => !generated).map(({ name }) => quoted(name))
      await client.query(
        `INSERT INTO ${qualified} (${names}) OVERRIDING SYSTEM VALUE
         SELECT ${names} FROM json_populate_recordset(NULL::${qualified}, $1::text::json)`,
        [saved],
      )
    }
    for (const { name, last, called } of this.#sequences) {
      await client.query('SELECT setval($1::regclass, $2::bigint + $3::bigint, $4)', [name, last, ahead, called])
    }
    await client.query('COMMIT')
  }

  async read(): Promise<TableRows> {
    const contents = new Map<string, readonly RowText[]>()
    for (const { name, qualified, columns } of this.#tables) {
      const list = columns.map((column) => `${quoted(column.name)}::text AS ${quoted(column.name)}`)
      const { rows } = await this.#client.query<RowText>(`SELECT ${list.join(', ')} FROM ${qualified}`)
      contents.set(name, rows)
    }
    contents.set(emitted.name, (await this.#client.query<RowText>(emitted.sql(this.#schema))).rows)
    return contents
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

const foreign = `n.nspname NOT IN ('information_schema', trim('"' from $1)) AND n.nspname NOT LIKE 'pg\\_%'`

const tablesQuery = `
  SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
    format('%I.%I', n.nspname, c.relname) AS qualified,
    json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, NULL),
      'serial', a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false),
      'defaulted', a.attgenerated <> '' OR d.adbin IS NOT NULL,
      'generated', a.attgenerated <> ''
    ) ORDER BY a.attnum) AS columns
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND ${foreign}
  GROUP BY n.nspname, c.relname ORDER BY 1`

const sequencesQuery = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind = 'S' AND ${foreign} ORDER BY 1`
