import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** One file of a migration. */
export interface Migration {
  /** The number in front of the file's name, from 1. */
  readonly version: number
  /** The file's name without number and ending. */
  readonly name: string
  /** The file's name. */
  readonly file: string
  readonly sql: string
  /** SHA-256 in hex, the same for every kind of line ending. */
  readonly checksum: string
}

/**
 * The folder of migrations. In the repository it is the top-level one, so that an older copy left in this package by a
 * build can never be the one that runs; in an installed package it is the package's own.
 */
export function migrationsDirectory(): string {
  const repository = new URL('../../../', import.meta.url)
  const topLevel = new URL('migrations/', repository)
  const inRepository = existsSync(new URL('pnpm-workspace.yaml', repository)) && existsSync(topLevel)
  return fileURLToPath(inRepository ? topLevel : new URL('../migrations/', import.meta.url))
}

/** Reads every `NNNN_name.sql` of a folder, by version. Other files are passed over. */
export function readMigrations(directory: string = migrationsDirectory()): readonly Migration[] {
  const migrations: Migration[] = []
  for (const file of readdirSync(directory)) {
    const parts = /^(\d{4})_(.+)\.sql$/.exec(file)
    if (parts === null) continue
    const sql = plainText(readFileSync(`${directory}/${file}`, 'utf8'))
    migrations.push({ version: Number(parts[1]), name: String(parts[2]), file, sql, checksum: checksumOf(sql) })
  }
  return migrations.sort((a, b) => a.version - b.version)
}

/** SHA-256 in hex of the text, with CRLF and CR counted as LF and without a byte order mark. */
export function checksumOf(sql: string): string {
  return createHash('sha256').update(plainText(sql)).digest('hex')
}

function plainText(sql: string): string {
  return sql.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
}
