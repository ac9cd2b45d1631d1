/** Images that buildah makes of files of Debian packages: each step is a layer that it computes from changes on disk. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../support/reference.ts'

/** Small packages that every Debian has, with set-user-ID programs, links, configuration and many directories. */
const PACKAGES = ['mount', 'passwd', 'sysvinit-utils', 'base-files', 'debianutils']

/** The steps of each image: scripts for sh, run in the root file system of the image so far. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  packages: [
    '',
    // A directory that is removed and made again becomes an opaque one, or a list of whiteouts.
    'rm -r usr/share/doc; rm usr/bin/ischroot; mkdir -p usr/share/doc/new; echo new > usr/share/doc/new/file',
    'rm -r usr/share/doc; mkdir usr/share/doc; touch -d @1000000000.123456789 usr/share/doc; chmod 700 var/lib',
  ],
  links: [
    'echo app > etc/app.conf; ln -s usr/bin programs; ln -s /usr/sbin system; ln etc/app.conf etc/same; ln -s ../../etc usr/share/up',
    'ln etc/app.conf usr/share/across; echo changed > etc/app.conf; rm etc/same; ln -s app.conf etc/same',
    'rm usr/share/up; mkdir usr/share/up; echo in > usr/share/up/file; rm programs; cp -r usr/sbin programs; rm system; touch system',
  ],
  configuration: [
    'echo app > etc/app.conf; chown -R 33:34 var/lib; chmod 2750 var/lib; setfattr -n user.note -v one etc/app.conf; setcap cap_net_raw+ep usr/bin/savelog',
    'mv etc etc-old; mkdir -m 711 etc; cp -a etc-old/. etc/; rm -r etc-old; chmod 4711 usr/bin/passwd; touch -h -d @5 usr/lib/os-release',
    'mknod dev-null c 1 3; mkfifo run-pipe; mkdir -p opt/a/b srv; setfattr -n user.dir -v two opt/a; chmod 0 srv',
  ],
  names: [
    `mkdir 'two words' ./-rf "$(printf 'l\\351tter')"; touch 'two words/line
break' "./-rf/back\\\\slash" ./-n '*' '日本' "$(printf 'l\\351tter/\\377')"; mkdir -p ${'d'.repeat(120)}/${'e'.repeat(120)}`,
    `rm -r ./-rf '*'; mkdir '*'; touch '*/.hidden' './.wh-looks-like' ${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(200)}`,
  ],
}

/** Makes all images in one layout. @returns the reference of each, `PATH:TAG`, by its name */
export function makeBuildahImages(parent: string): Map<string, string> {
  const storage = ['--root', join(parent, 'root'), '--runroot', join(parent, 'run'), '--storage-driver', 'vfs']
  const buildah = (...args: string[]) => run('buildah', [...storage, ...args]).trim()
  const layout = join(parent, 'layout')
  const files = join(parent, 'files')
  const list = `dpkg -L ${PACKAGES.join(' ')} | sort -u | while read -r path; do
    if [ -e "$path" ] && { [ ! -d "$path" ] || [ -h "$path" ]; }; then echo "$path"; fi; done`
  run('sh', ['-c', `mkdir ${files}; ${list} | xargs cp -a --parents -t ${files}; mkdir -p ${files}/var/lib`])
  const images = new Map<string, string>()
  for (const [name, steps] of Object.entries(STEPS)) {
    let from = 'scratch'
    for (const [i, step] of steps.entries()) {
      const container = buildah('from', '--pull-never', from)
      const root = buildah('mount', container)
      const script = join(parent, 'step.sh')
      writeFileSync(script, `set -e\ncd ${root}\n${i === 0 ? `cp -a ${files}/. .\n` : ''}${step}\n`)
      run('sh', [script])
      from = `${name}-${i}`
      buildah('commit', '-q', '--rm', container, from)
    }
    buildah('push', '-q', from, `oci:${layout}:${name}`)
    images.set(name, `${layout}:${name}`)
  }
  return images
}
