/** Makes the completion of fish. */
import { type CommandNode, LISTS, listOf, nodesOf, type ShownOption, takesPath } from './command-tree.ts'

/** Quotes a text for fish, in whose single quotes only `\` and `'` are escaped. */
function quote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`
}

function optionLine(condition: string, option: ShownOption): string {
  const { name, short, type, help = '' } = option
  const value = type === 'flag' ? '' : takesPath(option) ? ' -r -F' : ' -x'
  const letter = short === undefined ? '' : ` -s ${quote(short)}`
  return `complete -c ostree-ts -n ${quote(condition)} -l ${name}${letter}${value} -d ${quote(help)}`
}

/** Returns a script that fish sources. */
export function fishCompletion(program: CommandNode): string {
  const nodes = [...nodesOf(program)]
  const members = nodes
    .filter((node) => node.members.length > 0)
    .map((node) => {
      const names = node.members.map(({ path }) => path.at(-1)).join(' ')
      return `        case ${quote(node.path.join(' '))}\n            echo ${names}`
    })
  const valued = nodes.flatMap((node) => {
    const names = node.options
      .filter(({ type }) => type !== 'flag')
      .flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])
    return names.length === 0 ? [] : [`        case ${quote(node.path.join(' '))}\n            echo ${names.join(' ')}`]
  })
  const lines = nodes.flatMap((node) => {
    const condition = `__ostree_ts_at ${quote(node.path.join(' '))}`
    return [
      ...node.members.map(
        ({ path, summary }) => `complete -c ostree-ts -f -n ${quote(condition)} -a ${path.at(-1)} -d ${quote(summary)}`,
      ),
      ...[listOf(node) ?? []]
        .flat()
        .map((list) => `complete -c ostree-ts -n ${quote(condition)} -a '(__ostree_ts_names ${list})'`),
      ...node.options.map((option) => optionLine(condition, option)),
    ]
  })
  const names = Object.entries(LISTS).map(
    ([list, words]) => `        case ${list}\n            ostree-ts ${words} $repo 2>/dev/null`,
  )
  return `# Completion of ostree-ts for fish. Made from the tables of its options.

function __ostree_ts_members
    switch "$argv[1]"
${members.join('\n')}
    end
end

function __ostree_ts_valued
    switch "$argv[1]"
${valued.join('\n')}
    end
end

# Succeeds if the words so far name the command or the group in its argument.
function __ostree_ts_at
    set -l place ''
    set -l previous ''
    for word in (commandline -opc)[2..-1]
        if test -n "$previous"; and contains -- $previous (string split ' ' -- (__ostree_ts_valued $place))
            set previous ''
            continue
        end
        set previous $word
        string match -q -- '-*' $word; and continue
        if contains -- $word (string split ' ' -- (__ostree_ts_members $place))
            set place (string trim -- "$place $word")
        end
    end
    test "$place" = "$argv[1]"
end

# Prints the names of the repository on the command line, or of the default one.
function __ostree_ts_names
    set -l repo
    set -l previous ''
    for word in (commandline -opc)
        if test "$previous" = --repo
            set repo --repo=$word
        else if string match -q -- '--repo=*' $word
            set repo $word
        end
        set previous $word
    end
    switch "$argv[1]"
${names.join('\n')}
    end
end

${lines.join('\n')}
`
}
