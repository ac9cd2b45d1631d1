/** The options of `ostree commit`, in the order of its help. */

import type { OptionTable } from '../options.ts'
import { EXACT_COMPRESSION_OPTION, JSON_OPTION } from '../values.ts'

export const COMMIT_OPTIONS = {
  parent: { type: 'string', arg: 'COMMIT', help: 'Parent commit checksum, or "none"' },
  subject: { type: 'string', short: 's', arg: 'SUBJECT', help: 'One line subject' },
  body: { type: 'string', short: 'm', arg: 'BODY', help: 'Full description' },
  'body-file': { type: 'string', raw: true, short: 'F', arg: 'FILE', help: 'Commit message from FILE path' },
  editor: { type: 'flag', short: 'e', help: 'Use an editor to write the commit message' },
  branch: { type: 'string', short: 'b', arg: 'BRANCH', help: 'Branch' },
  orphan: { type: 'flag', help: 'Create a commit without writing a ref' },
  'no-bindings': { type: 'flag', help: 'Do not write any ref bindings' },
  'bind-ref': { type: 'strings', arg: 'BRANCH', help: 'Add a ref to ref binding commit metadata' },
  base: { type: 'string', arg: 'REV', help: 'Start from the given commit as a base (no modifiers apply)' },
  tree: {
    type: 'strings',
    arg: 'dir=PATH or tar=TARFILE or ref=COMMIT',
    help: 'Overlay the given argument as a tree',
  },
  'add-metadata-string': { type: 'strings', arg: 'KEY=VALUE', help: 'Add a key/value pair to metadata' },
  'add-metadata': {
    type: 'strings',
    arg: 'KEY=VALUE',
    help: 'Add a key/value pair to metadata, where the KEY is a string, and VALUE is in GVariant Text Format',
  },
  'keep-metadata': {
    type: 'strings',
    arg: 'KEY',
    help: 'Keep metadata KEY and its associated VALUE from parent',
  },
  'add-detached-metadata-string': {
    type: 'strings',
    arg: 'KEY=VALUE',
    help: 'Add a key/value pair to detached metadata',
  },
  'owner-uid': { type: 'integer', arg: 'UID', help: 'Set file ownership user id' },
  'owner-gid': { type: 'integer', arg: 'GID', help: 'Set file ownership group id' },
  'canonical-permissions': {
    type: 'flag',
    help: 'Canonicalize permissions in the same way bare-user does for hardlinked files',
  },
  bootable: { type: 'flag', help: 'Flag this commit as a bootable OSTree (e.g. contains a Linux kernel)' },
  'mode-ro-executables': { type: 'flag', help: 'Ensure executable files are not writable' },
  'no-xattrs': { type: 'flag', help: 'Do not import extended attributes' },
  'selinux-policy': {
    type: 'string',
    raw: true,
    arg: 'PATH',
    help: 'Set SELinux labels based on policy in root filesystem PATH (may be /)',
  },
  'selinux-policy-from-base': {
    type: 'flag',
    short: 'P',
    help: 'Set SELinux labels based on first --tree argument',
  },
  'selinux-labeling-epoch': {
    type: 'integer',
    help: 'Configure the default SELinux labeling rules; 0 is the default, 1 enables labeling /usr/etc as /etc',
  },
  'link-checkout-speedup': {
    type: 'flag',
    help: 'Optimize for commits of trees composed of hardlinks into the repository',
  },
  'devino-canonical': {
    type: 'flag',
    short: 'I',
    help: 'Assume hardlinked objects are unmodified.  Implies --link-checkout-speedup',
  },
  'tar-autocreate-parents': {
    type: 'flag',
    help: 'When loading tar archives, automatically create parent directories as needed',
  },
  'tar-pathname-filter': {
    type: 'string',
    arg: 'REGEX,REPLACEMENT',
    help: 'When loading tar archives, use REGEX,REPLACEMENT against path names',
  },
  'skip-if-unchanged': { type: 'flag', help: 'If the contents are unchanged from previous commit, do nothing' },
  statoverride: {
    type: 'string',
    raw: true,
    arg: 'PATH',
    help: 'File containing list of modifications to make to permissions',
  },
  'skip-list': { type: 'string', raw: true, arg: 'PATH', help: 'File containing list of files to skip' },
  consume: { type: 'flag', help: 'Consume (delete) content after commit (for local directories)' },
  'table-output': { type: 'flag', help: 'Output more information in a KEY: VALUE format' },
  'gpg-sign': { type: 'strings', arg: 'KEY-ID', help: 'GPG Key ID to sign the commit with' },
  'gpg-homedir': { type: 'string', raw: true, arg: 'HOMEDIR', help: 'GPG Homedir to use when looking for keyrings' },
  sign: { type: 'strings', arg: 'KEY_ID', help: 'Sign the commit with' },
  'sign-from-file': { type: 'strings', arg: 'PATH', help: 'Sign the commit with key from the provided file' },
  'sign-type': { type: 'string', arg: 'NAME', help: "Signature type to use (defaults to 'ed25519')" },
  'generate-sizes': { type: 'flag', help: 'Generate size information along with commit metadata' },
  'generate-composefs-metadata': { type: 'flag', help: 'Generate composefs commit metadata' },
  'disable-fsync': { type: 'flag', hidden: true },
  fsync: { type: 'string', arg: 'POLICY', help: 'Specify how to invoke fsync()' },
  timestamp: { type: 'string', arg: 'TIMESTAMP', help: 'Override the timestamp of the commit' },
  'exact-compression': { ...EXACT_COMPRESSION_OPTION['exact-compression'], added: true },
  ...JSON_OPTION,
} as const satisfies OptionTable
