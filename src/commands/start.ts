import { join } from 'node:path'
import type { Config } from '../config.ts'
import { unreachable } from '../lib/assert.ts'
import { openDatabase } from '../lib/db/database.ts'
import { createLog, type Log } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { systemClock } from '../lib/time.ts'
import { type Command, CommandError, orExplain, parseOptions } from './command.ts'
import { databaseOf } from './open-database.ts'
import { requireConfig } from './pool-config.ts'
import { payScriptOf, ROLES, type Role, type RoleName, type Setting } from './role.ts'
import { type Supervised, supervise, untilAskedToStop } from './supervise.ts'

/** How a supervisor tells its children where the database is that it started. */
const DATABASE_VARIABLE = 'SIDEPOOL_DATABASE_URL'
const MAIN = join(import.meta.dirname, '../main.ts')

/**
 * Runs the pool. Each stratum process is a child of its own, so that nothing else ever stops the
 * sockets; the other roles share this process. With `--roles stratum` alone it is that child.
 */
export const startCommand: Command = args =>
  orExplain(async () => {
    const { options } = parseOptions(args, ['config', 'roles'])
    const config = requireConfig(options.config)
    payScriptOf(config)
    const roles = parseRoles(options.roles)
    const asked = untilAskedToStop()
    const log = createLog('sidepool')
    return roles.length === 1
      ? runRole(roles[0] ?? 'api', config, log, asked)
      : runAll(roles, config, options.config ?? '', log, asked)
  })

function parseRoles(text: string | undefined): readonly RoleName[] {
  const names = text === undefined ? ROLES : text.split(',')
  return names.map(name => {
    const role = ROLES.find(each => each === name)
    if (!role) throw new CommandError(`no role is called ${name}; there are ${ROLES.join(', ')}`)
    return role
  })
}

/** One role in this process, as on a machine of its own or as a supervisor's child. */
async function runRole(
  role: RoleName,
  config: Config,
  log: Log,
  asked: Promise<void>,
): Promise<number> {
  const given = process.env[DATABASE_VARIABLE]
  const database = given
    ? { appUrl: given, stop: async () => {} }
    : await databaseOf(config, { log, random: systemRandom })
  const setting = settingOf(config, database.appUrl, log)
  const running = await startRole(role, setting, () => true)
  await asked
  await running.stop()
  await setting.db.destroy()
  await database.stop()
  return 0
}

async function runAll(
  roles: readonly RoleName[],
  config: Config,
  configPath: string,
  log: Log,
  asked: Promise<void>,
): Promise<number> {
  const database = await databaseOf(config, { log, random: systemRandom })
  const setting = settingOf(config, database.appUrl, log)
  const children: Supervised[] = []
  const running: Role[] = []
  try {
    for (const role of roles.filter(each => each !== 'stratum'))
      running.push(await startRole(role, setting, () => children.every(child => child.alive())))
    const count = roles.includes('stratum') ? config.stratum.processes : 0
    for (let i = 1; i <= count; i++) {
      const args = [MAIN, 'start', '--roles', 'stratum', '--config', configPath]
      const environment = { [DATABASE_VARIABLE]: database.appUrl }
      children.push(supervise({ name: `stratum ${i}`, args, environment, log }))
    }
    await asked
  } finally {
    // Miners first, so that what they were told is still accounted for by the others.
    await Promise.all(children.map(child => child.stop()))
    for (const role of running.reverse()) await role.stop()
    await setting.db.destroy()
    await database.stop()
  }
  return 0
}

function settingOf(config: Config, databaseUrl: string, log: Log): Setting {
  const db = openDatabase(databaseUrl)
  return { config, db, databaseUrl, clock: systemClock, random: systemRandom, log }
}

/** Each role is loaded when it is asked for: a process begins sooner, and holds less. */
async function startRole(role: RoleName, setting: Setting, isMining: () => boolean): Promise<Role> {
  switch (role) {
    case 'stratum':
      return (await import('./stratum-role.ts')).startStratumRole(setting)
    case 'accounting':
      return (await import('./accounting-role.ts')).startAccountingRole(setting)
    case 'payouts':
      return (await import('./payouts-role.ts')).startPayoutsRole(setting)
    case 'api':
      return (await import('./api-role.ts')).startApiRole(setting, isMining)
    default:
      return unreachable(role)
  }
}
