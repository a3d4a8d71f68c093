import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** The repository as the architecture tests see it: files, manifests, and who imports what. */
export const root = resolve(import.meta.dirname, '..')

export interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, string | { readonly types?: string }>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Folder names below packages/. */
export const packageFolders = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json')),
)

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')) as Manifest
}

/** Every file that is, or is about to be, in the repository, as paths from the root. */
export function repositoryFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  return list.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
}

export function sourcesOf(folder: string): string[] {
  return repositoryFiles().filter((path) => path.startsWith(`packages/${folder}/src/`) && path.endsWith('.ts'))
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** What a TypeScript file names after `from`, in a bare `import '…'`, or in `import('…')`. Comments do not count. */
export function importsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/^\s*\/\/.*$/gm, '')
  const specifiers = code.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s+)(['"])([^'"\n]+)\1/gm)
  return [...specifiers].map((match) => match[2] as string)
}

/** `@oncebox/core/pg` is of `@oncebox/core`, `pg/lib/x` of `pg`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The source file of each entry point, by the name a user imports: `@oncebox/core/pg` → `packages/core/src/…/pg.ts`. */
export function entryPoints(folder: string): Map<string, string> {
  const { name, exports = {} } = manifestOf(folder)
  const entries = Object.entries(exports).flatMap(([subpath, target]) => {
    const types = typeof target === 'string' ? undefined : target.types
    if (types === undefined) return []
    const source = types.replace(/^\.\/dist\//, 'src/').replace(/\.d\.ts$/, '.ts')
    return [[name + subpath.slice(1), `packages/${folder}/${source}`] as const]
  })
  return new Map(entries)
}

export interface PublicMention {
  /** As a user would import it: `@oncebox/core/pg`. */
  readonly entry: string
  readonly file: string
  readonly specifier: string
}

/** Everything foreign that the declarations reachable from a package's entry points import. Needs the build. */
export function publicMentions(folder: string): PublicMention[] {
  return [...entryPoints(folder)].flatMap(([entry, source]) =>
    declarationsFrom(join(root, builtFrom(source, '.d.ts'))).flatMap((file) =>
      importsOf(readFileSync(file, 'utf8'))
        .filter((specifier) => !specifier.startsWith('.'))
        .map((specifier) => ({ entry, file: relative(root, file), specifier })),
    ),
  )
}

/** What the build makes of a source file. */
export function builtFrom(source: string, ending: '.js' | '.d.ts'): string {
  return source.replace('/src/', '/dist/').replace(/\.ts$/, ending)
}

function declarationsFrom(entry: string): string[] {
  const seen = new Set<string>()
  const waiting = [entry]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
      if (specifier.startsWith('.')) waiting.push(resolve(dirname(file), specifier.replace(/\.js$/, '.d.ts')))
    }
  }
  return [...seen]
}
