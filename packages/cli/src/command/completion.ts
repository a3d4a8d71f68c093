import type { Command } from 'commander'

/** A script for bash (and zsh after `bashcompinit`): it knows verbs, actions and flags, and asks nobody. */
export function completionScript(program: Command): string {
  const verbs = program.commands.map((command) => ({ verb: command.name(), words: wordsOf(command).join(' ') }))
  const names = verbs.map(({ verb }) => verb).join(' ')
  const cases = verbs.map(({ verb, words }) => `    ${verb}) words="${words}" ;;`).join('\n')
  return `_oncebox() {
  local words="${names}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
${cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _oncebox oncebox
`
}

/** The actions and the flags of a verb. */
function wordsOf(command: Command): string[] {
  const actions = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? [])
  const flags = command.options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long]))
  return [...actions, ...flags, '--help']
}
