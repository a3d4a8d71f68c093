import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { KafkaRuntime } from './kafkaRuntime.js'

/** What a Java program printed, and how it ended. */
export interface JavaToolResult {
  /** Null when the program ended by a signal. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

const deadlineMs = 120_000

/**
 * Runs a Java program over Kafka's jars to its end, which comes after two minutes at the latest: a class, or a source
 * file whose path ends in `.java`.
 */
export async function runJavaTool(
  runtime: KafkaRuntime,
  program: string,
  args: readonly string[],
  options: { readonly input?: string } = {},
): Promise<JavaToolResult> {
  // Text is UTF-8 whatever the locale, also where there is none.
  const command = [
    ...runtime.jvmOptions,
    '-Xmx256m',
    '-XX:TieredStopAtLevel=1',
    '-Dfile.encoding=UTF-8',
    '-cp',
    runtime.classpath,
    program,
  ]
  const child = spawn(runtime.java, [...command, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
  })
  // A program that ends without reading its input is no failure of ours.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { exitCode, stdout, stderr }
}
