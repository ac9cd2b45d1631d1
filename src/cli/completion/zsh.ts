/** Makes the completion of zsh. */
import { type CommandNode, LISTS, listOf, nodesOf, type ShownOption, takesPath } from './command-tree.ts'

/** Quotes a text for the shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Escapes the characters that mean something in a specification of `_arguments` or `_describe`. */
function escapeSpec(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&')
}

/** Returns the specifications of an option for `_arguments`: one for each of its names. */
function specsOf(option: ShownOption): string[] {
  const { name, short, type, arg = 'VALUE', help = '' } = option
  const value = type === 'flag' ? '' : `:${escapeSpec(arg)}:${takesPath(option) ? '_files' : ''}`
  const repeated = type === 'strings' ? '*' : ''
  const description = `[${escapeSpec(help)}]`
  const long = `${repeated}--${name}${type === 'flag' ? '' : '='}${description}${value}`
  return [long, ...(short === undefined ? [] : [`${repeated}-${short}${description}${value}`])].map(quote)
}

/** Returns a function for a directory of `fpath`, with the name `_ostree-ts`. */
export function zshCompletion(program: CommandNode): string {
  const blocks = [...nodesOf(program)].map((node) => {
    const members = node.members.map(({ path, summary }) =>
      quote(`${escapeSpec(path.at(-1) ?? '')}:${escapeSpec(summary)}`),
    )
    const valued = node.options
      .filter(({ type }) => type !== 'flag')
      .flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])
    return [
      `    (${quote(node.path.join(' '))})`,
      `      members=(${members.join(' ')})`,
      `      valued=(${valued.join(' ')})`,
      `      list=${listOf(node) ?? ''}`,
      `      options=(`,
      ...node.options.flatMap(specsOf).map((spec) => `        ${spec}`),
      '      )',
      '      ;;',
    ].join('\n')
  })
  const names = Object.entries(LISTS).map(([list, words]) => `    (${list}) ostree-ts ${words} \${2:+--repo=$2} ;;`)
  return `#compdef ostree-ts
# Completion of ostree-ts for zsh. Made from the tables of its options.

# Sets what may follow the words in $1: members, options, and the options that take a value.
_ostree_ts_describe() {
  members=() valued=() options=() list=''
  case $1 in
${blocks.join('\n')}
  esac
}

# Prints the names of a repository: $1 tells which, $2 is its path, or empty for the default one.
_ostree_ts_names() {
  case $1 in
${names.join('\n')}
  esac 2>/dev/null
}

_ostree_ts_add() {
  compadd -- \${(f)"$(_ostree_ts_names $list $repo)"}
}

_ostree-ts() {
  local -a members valued options
  local place='' word previous='' list='' repo=''
  _ostree_ts_describe ''
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $previous && -n \${valued[(r)$previous]} ]]; then
      [[ $previous == --repo ]] && repo=$word
      previous=''
      continue
    fi
    previous=$word
    [[ $word == --repo=* ]] && repo=\${word#--repo=}
    [[ $word == -* ]] && continue
    if [[ -n \${members[(r)$word:*]} ]]; then
      place="\${place:+$place }$word"
      _ostree_ts_describe "$place"
    fi
  done
  if (( $#members )) && [[ \${words[CURRENT]} != -* ]]; then
    _describe -t commands command members
  elif [[ -n $list ]]; then
    _arguments -S $options '*: :_alternative "names:name:_ostree_ts_add" "files:file:_files"'
  else
    _arguments -S $options '*:file:_files'
  fi
}

_ostree-ts "$@"
`
}
