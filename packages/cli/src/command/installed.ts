import { UsageError } from './failure.js'

/**
 * Loads what is installed beside this package (transports and their clients, testkit).
 *
 * @throws UsageError naming the package that is missing, and how to get it; what is there and broken fails as it is.
 */
export async function installed<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const name = code === 'ERR_MODULE_NOT_FOUND' ? /'(@oncebox\/[\w-]+|kafkajs)'/.exec(message)?.[1] : undefined
    if (name === undefined) throw error
    throw new UsageError(`${name} is not installed`, `Run: npm install ${name}`)
  }
}
