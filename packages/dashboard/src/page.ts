import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'

interface Asset {
  readonly body: Uint8Array<ArrayBuffer>
  readonly type: string
  readonly cache: string
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The built page, read once: names in `assets/` carry a hash of their content, so browsers may keep them for ever. */
export function loadPage(folder = join(import.meta.dirname, 'page')): ReadonlyMap<string, Asset> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name).slice(folder.length).replaceAll('\\', '/')
      const asset: Asset = {
        body: new Uint8Array(readFileSync(join(entry.parentPath, entry.name))),
        type: types[extname(entry.name)] ?? 'application/octet-stream',
        cache: path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      }
      return [path === '/index.html' ? '/' : path, asset]
    }),
  )
}

export function answerWith(asset: Asset): Response {
  return new Response(asset.body, { headers: { 'content-type': asset.type, 'cache-control': asset.cache } })
}
