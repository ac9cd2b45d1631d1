/** All commands: name, summary for `--help`, and module. A module is loaded only when its command is run. */
import type { CommandEntry, CommandGroup } from './command-entry.ts'
import { CONTAINER, INTERNAL, PROVISIONAL_REPAIR, TAR } from './container-commands.ts'

const REMOTE: CommandGroup = {
  name: 'remote',
  summary: 'Remote commands that may involve internet access',
  members: [
    {
      name: 'add',
      summary: 'Add a remote repository',
      load: async () => (await import('./commands/remote/add.ts')).add,
    },
    {
      name: 'delete',
      summary: 'Delete a remote repository',
      load: async () => (await import('./commands/remote/delete.ts')).deleteRemote,
    },
    {
      name: 'show-url',
      summary: 'Show remote repository URL',
      load: async () => (await import('./commands/remote/show-url.ts')).showUrl,
    },
    {
      name: 'list',
      summary: 'List remote repository names',
      load: async () => (await import('./commands/remote/list.ts')).list,
    },
    {
      name: 'gpg-import',
      summary: 'Import GPG keys',
      load: async () => (await import('./commands/remote/gpg-keys.ts')).gpgImport,
    },
    {
      name: 'gpg-list-keys',
      summary: 'Show remote GPG keys',
      load: async () => (await import('./commands/remote/gpg-keys.ts')).gpgListKeys,
    },
    {
      name: 'add-cookie',
      summary: 'Add a cookie to remote',
      load: async () => (await import('./commands/remote/cookies.ts')).addCookie,
    },
    {
      name: 'delete-cookie',
      summary: 'Remove one cookie from remote',
      load: async () => (await import('./commands/remote/cookies.ts')).deleteCookie,
    },
    {
      name: 'list-cookies',
      summary: 'Show remote repository cookies',
      load: async () => (await import('./commands/remote/cookies.ts')).listCookies,
    },
    {
      name: 'refs',
      summary: 'List remote refs',
      load: async () => (await import('./commands/remote/refs.ts')).refs,
    },
    {
      name: 'summary',
      summary: 'Show remote summary',
      load: async () => (await import('./commands/remote/summary.ts')).summary,
    },
  ],
}

const COMPOSEFS: CommandGroup = {
  name: 'composefs',
  summary: 'Images of composefs',
  members: [
    {
      name: 'digest',
      summary: 'Print the fs-verity digest of the composefs image of a commit',
      load: async () => (await import('./commands/composefs/image.ts')).digest,
    },
    {
      name: 'dump',
      summary: 'Print the tree of a commit in the text format of composefs',
      load: async () => (await import('./commands/composefs/image.ts')).dump,
    },
    {
      name: 'image',
      summary: 'Write the composefs image of a commit to a file or to standard output',
      load: async () => (await import('./commands/composefs/image.ts')).image,
    },
  ],
}

const STATIC_DELTA: CommandGroup = {
  name: 'static-delta',
  summary: 'Static delta related commands',
  plain: true,
  members: [
    {
      name: 'list',
      summary: 'List static delta files',
      load: async () => (await import('./commands/static-delta/list.ts')).list,
    },
    {
      name: 'show',
      summary: 'Dump information on a delta',
      load: async () => (await import('./commands/static-delta/show.ts')).show,
    },
    {
      name: 'delete',
      summary: 'Remove a delta',
      load: async () => (await import('./commands/static-delta/delete.ts')).deleteCommand,
    },
    {
      name: 'generate',
      summary: 'Generate static delta files',
      load: async () => (await import('./commands/static-delta/generate.ts')).generate,
    },
    {
      name: 'apply-offline',
      summary: 'Apply static delta file',
      load: async () => (await import('./commands/static-delta/apply-offline.ts')).applyOffline,
    },
    {
      name: 'verify',
      summary: 'Verify static delta signatures',
      load: async () => (await import('./commands/static-delta/verify.ts')).verify,
    },
    {
      name: 'indexes',
      summary: 'List static delta indexes',
      load: async () => (await import('./commands/static-delta/indexes.ts')).indexes,
    },
    {
      name: 'reindex',
      summary: 'Regenerate static delta indexes',
      load: async () => (await import('./commands/static-delta/indexes.ts')).reindex,
    },
  ],
}

export const COMMANDS: readonly (CommandEntry | CommandGroup)[] = [
  {
    name: 'bench',
    summary: 'Measure the import of images, beside other programs',
    load: async () => (await import('./commands/bench.ts')).bench,
  },
  { name: 'cat', summary: 'Concatenate contents of files', load: async () => (await import('./commands/cat.ts')).cat },
  {
    name: 'checkout',
    summary: 'Check out a commit into a filesystem tree',
    load: async () => (await import('./commands/checkout.ts')).checkout,
  },
  {
    name: 'checksum',
    summary: 'Checksum a file or directory',
    load: async () => (await import('./commands/checksum.ts')).checksum,
  },
  { name: 'commit', summary: 'Commit a new revision', load: async () => (await import('./commands/commit.ts')).commit },
  {
    name: 'completion',
    summary: 'Print the completion of commands and options for a shell',
    load: async () => (await import('./commands/completion.ts')).completionOf(COMMANDS),
  },
  {
    name: 'config',
    summary: 'Change repo configuration settings',
    load: async () => (await import('./commands/config.ts')).config,
  },
  COMPOSEFS,
  CONTAINER,
  {
    name: 'ima-sign',
    summary: 'Sign the files of a commit for IMA',
    hidden: true,
    load: async () => (await import('./commands/ima-sign.ts')).imaSignCommand,
  },
  INTERNAL,
  PROVISIONAL_REPAIR,
  {
    name: 'create-usb',
    summary: 'Copy the refs to a USB stick',
    load: async () => (await import('./commands/create-usb.ts')).createUsbCommand,
  },
  {
    name: 'diff',
    summary: 'Compare directory TARGETDIR against revision REV',
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  {
    name: 'export',
    summary: 'Stream COMMIT to stdout in tar format',
    load: async () => (await import('./commands/export.ts')).exportCommand,
  },
  {
    name: 'fsck',
    summary: 'Check the repository for consistency',
    load: async () => (await import('./commands/fsck.ts')).fsck,
  },
  { name: 'gpg-sign', summary: 'Sign a commit', load: async () => (await import('./commands/gpg-sign.ts')).gpgSign },
  {
    name: 'init',
    summary: 'Initialize a new empty repository',
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    name: 'log',
    summary: 'Show log starting at commit or ref',
    load: async () => (await import('./commands/log.ts')).log,
  },
  { name: 'ls', summary: 'List file paths', load: async () => (await import('./commands/ls.ts')).ls },
  {
    name: 'prune',
    summary: 'Search for unreachable objects',
    load: async () => (await import('./commands/prune.ts')).prune,
  },
  {
    name: 'pull',
    summary: 'Download data from remote repository',
    load: async () => (await import('./commands/pull.ts')).pull,
  },
  {
    name: 'pull-local',
    summary: 'Copy data from SRC_REPO',
    load: async () => (await import('./commands/pull-local.ts')).pullLocal,
  },
  { name: 'refs', summary: 'List refs', load: async () => (await import('./commands/refs.ts')).refs },
  REMOTE,
  {
    name: 'reset',
    summary: 'Reset a REF to a previous COMMIT',
    load: async () => (await import('./commands/reset.ts')).reset,
  },
  {
    name: 'rev-parse',
    summary: 'Output the target of a rev',
    load: async () => (await import('./commands/rev-parse.ts')).revParse,
  },
  { name: 'sign', summary: 'Sign a commit', load: async () => (await import('./commands/sign.ts')).sign },
  {
    name: 'serve',
    summary: 'Publish the repository over HTTP until interrupted',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  { name: 'show', summary: 'Output a metadata object', load: async () => (await import('./commands/show.ts')).show },
  STATIC_DELTA,
  {
    name: 'summary',
    summary: 'Manage summary metadata',
    load: async () => (await import('./commands/summary.ts')).summary,
  },
  TAR,
  {
    name: 'trivial-httpd',
    summary: 'Simple webserver',
    // As in Debian's ostree, which has it as a program of its own.
    hidden: true,
    load: async () => (await import('./commands/trivial-httpd.ts')).trivialHttpd,
  },
]
