/**
 * Entries of a boot loader, a line each: a key, space, a value.
 *
 * ```
 * title Example OS 42 (ostree:0)
 * version 1
 * options root=UUID=… ostree=/ostree/boot.1/NAME/CHECKSUM/0
 * linux /ostree/NAME-CHECKSUM/vmlinuz-5.10.18
 * initrd /ostree/NAME-CHECKSUM/initramfs-5.10.18.img
 * ```
 *
 * Source: ostree-bootconfig-parser.c; ostree-kernel-args.c.
 */

/** In this order into the file; others come behind, as they were. */
const KEY_ORDER = ['title', 'version', 'options', 'devicetree', 'linux', 'initrd']

export type BootEntry = ReadonlyMap<string, string>

export function parseBootEntry(text: string): BootEntry {
  const entry = new Map<string, string>()
  for (const line of text.split('\n')) {
    const found = /^([A-Za-z][^\s]*)[ \t]+(.*)$/.exec(line)
    if (found?.[1] !== undefined) entry.set(found[1], found[2] ?? '')
  }
  return entry
}

export function formatBootEntry(entry: BootEntry): string {
  const others = [...entry.keys()].filter((key) => !KEY_ORDER.includes(key))
  const keys = [...KEY_ORDER.filter((key) => entry.has(key)), ...others]
  return keys.map((key) => `${key} ${entry.get(key)}\n`).join('')
}

/** The arguments of a kernel; spaces within double quotes part nothing. */
export function splitKernelArgs(options: string): string[] {
  return options.match(/(?:"[^"]*"|[^\s"])+/g) ?? []
}

/** The value of the last argument of that name. */
export function kernelArg(args: readonly string[], name: string): string | undefined {
  return args.findLast((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** One argument of that name, where the first one was, or at the end. */
export function withKernelArg(args: readonly string[], name: string, value: string): string[] {
  const at = args.findIndex((arg) => arg.startsWith(`${name}=`))
  const kept = args.filter((arg, i) => i === at || !arg.startsWith(`${name}=`))
  if (at < 0) return [...kept, `${name}=${value}`]
  return kept.map((arg, i) => (i === at ? `${name}=${value}` : arg))
}

/** What the arguments are without the one that names the deployment. */
export function withoutKernelArg(args: readonly string[], name: string): string[] {
  return args.filter((arg) => !arg.startsWith(`${name}=`))
}
