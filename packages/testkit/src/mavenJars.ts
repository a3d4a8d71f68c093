import { execFile } from 'node:child_process'
import { homedir, userInfo } from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)
const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

export async function mavenIsInstalled(): Promise<boolean> {
  return run('mvn', ['--version']).then(
    () => true,
    () => false,
  )
}

/** Copies what a pom depends on at run time into `libs`; Maven downloads what this user's own repository lacks. */
export async function copyJars(pom: string, libs: string): Promise<void> {
  const goal = [`${dependencyPlugin}:copy-dependencies`, `-DoutputDirectory=${libs}`, '-DincludeScope=runtime']
  const env = homeIsElsewhere()
    ? { ...process.env, MAVEN_OPTS: `${process.env.MAVEN_OPTS ?? ''} -Duser.home=${homedir()}` }
    : process.env
  try {
    await run('mvn', ['--batch-mode', '--quiet', '-f', pom, ...goal], { env })
  } catch (cause) {
    const { stdout = '' } = cause as { stdout?: string }
    throw new Error(`Maven could not download Kafka's jars:\n${stdout.slice(-2_000)}`, { cause })
  }
}

/** Java takes the home directory from the user database and not from HOME; containers often set only the latter. */
function homeIsElsewhere(): boolean {
  try {
    return userInfo().homedir !== homedir()
  } catch {
    // A user id without an entry in the user database.
    return true
  }
}
