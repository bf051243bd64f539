import { type Check, type Context, onLinuxX64 } from '../check.js'
import { npmCli, type Project } from '../project.js'
import { toolProgram } from '../tools.js'

async function install(
  context: Context,
  name: string,
  prepare: (project: Project) => Promise<void>,
  run?: (project: Project) => Promise<string>,
): Promise<void> {
  await using project = await context.newProject(name, prepare)
  context.expectTokens(run === undefined ? await project.node('smoke.mjs', context.model) : await run(project))
}

async function registryOf(project: Project): Promise<string> {
  return (await project.node(npmCli('npm'), 'config', 'get', 'registry')).trim()
}

async function yarn4(context: Context, linker: 'node-modules' | 'pnp'): Promise<void> {
  const program = await toolProgram('yarn4', 'yarn')
  await install(
    context,
    `yarn 4 ${linker}`,
    async project => {
      const registry = await registryOf(project)
      await project.write('yarn.lock', '')
      await project.write(
        '.yarnrc.yml',
        [
          `nodeLinker: ${linker}`,
          'enableGlobalCache: false',
          'enableTelemetry: false',
          'enableScripts: false',
          'enableImmutableInstalls: false',
          `npmRegistryServer: "${registry}"`,
          ...(registry.startsWith('http:') ? [`unsafeHttpWhitelist: ["${new URL(registry).hostname}"]`] : []),
          '',
        ].join('\n'),
      )
      await project.node(program, 'add', `streaming-llm@file:${context.tarball}`)
    },
    project => project.node(program, 'node', 'smoke.mjs', context.model),
  )
}

export const managers: Check[] = [
  {
    name: 'pnpm',
    title: 'pnpm',
    run: context =>
      install(context, 'pnpm', async project => {
        await project.node(
          await toolProgram('pnpm', 'pnpm'),
          'add',
          '--store-dir',
          project.path('store'),
          '--registry',
          await registryOf(project),
          context.tarball,
        )
      }),
  },
  {
    name: 'yarn1',
    title: 'yarn 1',
    run: context =>
      install(context, 'yarn 1', async project => {
        await project.node(
          await toolProgram('yarn1', 'yarn'),
          'add',
          '--ignore-scripts',
          '--non-interactive',
          '--registry',
          await registryOf(project),
          '--cache-folder',
          project.path('cache'),
          `file:${context.tarball}`,
        )
      }),
  },
  { name: 'yarn4', title: 'yarn 4, node-modules', run: context => yarn4(context, 'node-modules') },
  { name: 'yarn4-pnp', title: "yarn 4, Plug'n'Play", unavailable: onLinuxX64, run: context => yarn4(context, 'pnp') },
]
