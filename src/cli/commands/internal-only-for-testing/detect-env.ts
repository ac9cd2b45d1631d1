import { command } from '../../command.ts'
import { detectEnvironment } from '../../container/container-environment.ts'

export const detectEnv = command({
  name: 'internal-only-for-testing detect-env',
  summary: 'Print the kind of environment: ostree-container, ostree, container or none',
  usage: '',
  repo: false,
  options: {},
  run: ({ env, out }) => out.line(detectEnvironment('/', env)),
})
