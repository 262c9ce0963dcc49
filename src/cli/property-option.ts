/** `-D COMMAND NAME VALUE [VALUE2]`: a v5 property for one of the packets that a tool sends. */
import type { Properties } from '../protocol/packets.ts';
import { EMPTY_PROPERTIES, PacketType } from '../protocol/packets.ts';
import { PROPERTIES, type PropertyDefinition, type PropertyPacket, WILL, Wire } from '../protocol/property-table.ts';
import { ArgumentError, integerOf } from './argument-error.ts';
import type { ToolSettings } from './tool-options.ts';

/** The packets that can be given properties, by the word for them. */
const COMMANDS = {
  connect: PacketType.Connect,
  publish: PacketType.Publish,
  subscribe: PacketType.Subscribe,
  unsubscribe: PacketType.Unsubscribe,
  disconnect: PacketType.Disconnect,
  will: WILL,
} as const;
type Command = keyof typeof COMMANDS;

/** Given properties, by command. */
export type PropertySettings = { [Name in Command]?: Properties };

const VALUE_MAX: ReadonlyMap<Wire, number> = new Map<Wire, number>([
  [Wire.Flag, 1],
  [Wire.U16, 65_535],
  [Wire.U32, 0xffffffff],
  [Wire.VariableInteger, 268_435_455],
]);

/** Takes the words after -D into `settings` and returns how many they were. @throws ArgumentError */
export function takeProperty(settings: ToolSettings, words: readonly string[]): number {
  const [command, name, value, second] = words;
  if (command === undefined || name === undefined) throw tooFew();
  if (!isCommand(command)) throw new ArgumentError('Invalid command given in --property argument.');
  const definition = PROPERTIES.find((candidate) => optionName(candidate) === name);
  if (definition === undefined) throw new ArgumentError('Invalid property name given in --property argument.');
  const packets: readonly PropertyPacket[] = definition.packets;
  if (!packets.includes(COMMANDS[command])) {
    throw new ArgumentError(`${name} property not allowed for ${command} in --property argument.`);
  }
  if (value === undefined) throw tooFew();
  settings.version = 5;
  const before = settings.properties[command] ?? EMPTY_PROPERTIES;
  if (definition.wire === Wire.Pair) {
    if (second === undefined) throw tooFew();
    const userProperties = [...(before.userProperties ?? []), { name: value, value: second }];
    settings.properties[command] = { ...before, userProperties };
    return 4;
  }
  settings.properties[command] = { ...before, ...oneProperty(definition, value) };
  return 3;
}

/** As it is written on the command line: `contentType` is content-type; a list has the name of one of its values. */
function optionName({ name }: PropertyDefinition): string {
  const single =
    name === 'userProperties' ? 'userProperty' : name === 'subscriptionIdentifiers' ? 'subscriptionIdentifier' : name;
  return single.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function isCommand(word: string): word is Command {
  return Object.hasOwn(COMMANDS, word);
}

function oneProperty(definition: PropertyDefinition, value: string): Partial<Properties> {
  switch (definition.wire) {
    case Wire.Text:
      return { [definition.name]: value };
    case Wire.Binary:
      return { [definition.name]: Buffer.from(value) };
    case Wire.VariableInteger:
      return { subscriptionIdentifiers: [numberOf(definition, value)] };
    default:
      return { [definition.name]: numberOf(definition, value) };
  }
}

function numberOf(definition: PropertyDefinition, value: string): number {
  const given = integerOf(value);
  const max = VALUE_MAX.get(definition.wire) ?? 0;
  if (given !== null && given >= (definition.isNonZero ? 1 : 0) && given <= max) return given;
  throw new ArgumentError(`Property value (${value}) out of range for property ${optionName(definition)}.`);
}

function tooFew(): ArgumentError {
  return new ArgumentError('--property argument given but not enough arguments specified.');
}
