import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Java {
  readonly program: string
  /** 17, 21, … */
  readonly major: number
  /** What `java -version` says: tells two builds of one version apart. */
  readonly description: string
}

/** The Java of `JAVA_HOME`, else of `PATH`; undefined where there is none that runs. */
export async function findJava(): Promise<Java | undefined> {
  const program = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'
  try {
    const { stderr: description } = await run(program, ['-version'])
    const found = /version "(?:1\.)?(\d+)/.exec(description)
    return found === null ? undefined : { program, major: Number(found[1]), description }
  } catch {
    // No such program, or one that does not run: both mean that there is no Java here.
    return undefined
  }
}

/** Whether it runs source files, which takes the compiler among its modules. */
export async function compilesSources({ program }: Java): Promise<boolean> {
  const { stdout } = await run(program, ['--list-modules'])
  return stdout.includes('jdk.compiler@')
}
