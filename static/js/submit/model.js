// A definition as the form sees it, and the changes that stand behind its buttons.
import { hasRole, isDeploy, named, needsSystem } from "./commands.js";

const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Return why the form cannot show this value, in words, or nothing. What is missing it can show. */
export function oddity(value) {
  if (!isMap(value)) return "it is not an object with job_name, vm_group and actions";
  const group = value.vm_group ?? {};
  if (!isMap(group)) return "vm_group is not an object";
  if (!isMap(group.host ?? {})) return "vm_group.host is not an object";
  if (!Array.isArray(group.vms ?? [])) return "vm_group.vms is not a list";
  const vm = (group.vms ?? []).findIndex((one) => !isMap(one));
  if (vm >= 0) return `vm_group.vms[${vm}] is not an object`;
  if (!Array.isArray(value.actions ?? [])) return "actions is not a list";
  const action = (value.actions ?? []).findIndex((one) => !isMap(one) || !isMap(one.parameters ?? {}));
  return action >= 0 ? `actions[${action}] is not an object` : "";
}

export const vmsOf = (value) => value.vm_group?.vms ?? [];
export const actionsOf = (value) => value.actions ?? [];

/** Return the roles of the group, the host's first, each once. */
export function rolesOf(value) {
  const roles = [value.vm_group?.host?.role, ...vmsOf(value).map((vm) => vm.role)];
  return [...new Set(roles.filter((role) => typeof role === "string" && role))];
}

const countOf = (vm) => (Number.isInteger(vm.count) && vm.count > 0 ? Math.min(vm.count, 1000) : 1);

/** Return the nodes of the group, host first: {name, role, device_type}. */
export function nodesOf(value) {
  const named = (role, count) => {
    const name = String(role ?? "").replaceAll("_", "-").replace(/-+$/, "") || "?";
    return count === 1 ? [name] : Array.from({ length: count }, (_, copy) => `${name}-${copy + 1}`);
  };
  const of = (one, count) => named(one.role, count).map((name) => ({ name, role: one.role, device_type: one.device_type }));
  return [...of(value.vm_group?.host ?? {}, 1), ...vmsOf(value).flatMap((vm) => of(vm, countOf(vm)))];
}

/** Return where a VM's system comes from: {from: "image" | "deploy" | "kernel", action}; action is an index. */
export function sourceOf(value, vm) {
  const actions = actionsOf(value);
  const index = actions.findIndex((one) => isDeploy(one.command) && typeof vm.role === "string" && one.parameters?.role === vm.role);
  if (index < 0) return { from: "image", action: -1 };
  return { from: named(actions[index].command) === "deploy_linaro_kernel" ? "kernel" : "deploy", action: index };
}

/** Return the changes that let a VM boot from an image of its own, or from a kernel that an action deploys. */
export function bootFrom(value, index, kind) {
  const vm = vmsOf(value)[index];
  const { from, action } = sourceOf(value, vm);
  const path = ["vm_group", "vms", index];
  if (kind === "kernel") {
    if (from === "kernel") return [];
    const parameters = { role: vm.role ?? "", kernel: "http://", ramdisk: "http://" };
    const made = { command: "deploy_linaro_kernel", parameters };
    const changes = vm.image === undefined ? [] : [{ op: "remove", path: [...path, "image"] }];
    if (from === "deploy") changes.push({ op: "remove", path: ["actions", action] });
    const actions = actionsOf(value).filter((_, at) => !(from === "deploy" && at === action));
    const first = actions.findIndex((one) => !isDeploy(one.command) && named(one.command) !== "dummy_deploy");
    return [...changes, { op: "insert", path: ["actions"], index: first < 0 ? actions.length : first, value: made }];
  }
  if (from !== "kernel") return [];
  const image = vm.image === undefined ? [{ op: "set", path: [...path, "image"], value: "http://" }] : [];
  return [...image, { op: "remove", path: ["actions", action] }];
}

/** Return the changes that let actions follow a role that got another name. */
export function followRole(value, before, after) {
  if (!before || !after || before === after || rolesOf(value).includes(before)) return [];
  return actionsOf(value).flatMap((action, index) => (action.parameters?.role === before
    ? [{ op: "set", path: ["actions", index, "parameters", "role"], value: after }]
    : []));
}

/** Return the change that adds a VM like the last one, under a role that is free. */
export function addVm(value, types) {
  const vms = vmsOf(value);
  const taken = new Set(rolesOf(value));
  let role = "guest";
  for (let number = 2; taken.has(role); number += 1) role = `guest${number}`;
  const type = vms.at(-1)?.device_type ?? types[0] ?? "kvm";
  const image = vms.at(-1)?.image ?? "http://";
  return [{ op: "insert", path: ["vm_group", "vms"], index: vms.length, value: { device_type: type, role, image } }];
}

/** Return the changes that take a VM away, with the actions that were for its role alone. */
export function removeVm(value, index) {
  const { role } = vmsOf(value)[index];
  const others = [value.vm_group?.host?.role, ...vmsOf(value).filter((_, at) => at !== index).map((vm) => vm.role)];
  const own = others.includes(role) ? [] : actionsOf(value).flatMap((one, at) => (role && one.parameters?.role === role ? [at] : []));
  return [
    { op: "remove", path: ["vm_group", "vms", index] },
    ...own.reverse().map((at) => ({ op: "remove", path: ["actions", at] })),
  ];
}

/** Return the changes that set a parameter, or take it away where `given` is undefined. */
export function setParameter(value, index, key, given) {
  const path = ["actions", index, "parameters"];
  const parameters = actionsOf(value)[index]?.parameters;
  if (given !== undefined) return [{ op: "set", path: [...path, key], value: given }];
  if (parameters?.[key] === undefined) return [];
  return [{ op: "remove", path: Object.keys(parameters).length === 1 ? path : [...path, key] }];
}

// -- what will run -------------------------------------------------------------------------------

const baseName = (url) => String(url ?? "").replace(/[?#].*$/, "").replace(/\/+$/, "").split("/").at(-1) || "?";
const shortName = (url) => baseName(url).replace(/\.(ya?ml|json)$/, "");

/** Return what each node will do, in order: [{name, role, device_type, steps: [{kind, text}]}]. */
export function planOf(value, nodes = nodesOf(value)) {
  const vms = nodes.length - 1;
  return nodes.map((node, index) => ({ ...node, steps: index ? vmSteps(value, node) : hostSteps(value, node, vms) }));
}

function hostSteps(value, node, vms) {
  const { steps, tests } = stepsOf(value, node.role);
  const auto = value.vm_group?.auto_start_vms !== false;
  const wait = { kind: "wait", text: `wait for ${vms} VM${vms === 1 ? "" : "s"}` };
  const first = steps.findIndex((step) => step.kind === "test");
  if (first >= 0 && !auto) steps.splice(first, 0, { kind: "wait", text: "its test starts the VMs" });
  steps.splice(first < 0 ? steps.length : first + (auto ? 1 : 2), 0, wait);
  if (!tests && !steps.some((step) => step.kind === "boot")) steps.unshift({ kind: "boot", text: "boot" });
  return steps;
}

function vmSteps(value, node) {
  const { steps, tests } = stepsOf(value, node.role);
  const vm = vmsOf(value).find((one) => one.role === node.role);
  const auto = value.vm_group?.auto_start_vms !== false;
  if (!steps.some((step) => step.kind === "deploy")) {
    steps.unshift(vm?.image ? { kind: "deploy", text: baseName(vm.image) } : { kind: "bad", text: "nothing to boot from" });
  }
  if (!tests) steps.push({ kind: "bad", text: "no test" });
  return [{ kind: "wait", text: auto ? "host is up" : "lava-start-vms" }, ...steps];
}

function stepsOf(value, role) {
  const steps = [];
  let booted = false;
  let tests = 0;
  for (const action of actionsOf(value)) {
    const own = action.parameters?.role;
    if (own !== undefined && own !== role) continue;
    const command = named(action.command);
    if (isDeploy(command) || command === "dummy_deploy") {
      steps.push({ kind: "deploy", text: deployText(command, action.parameters ?? {}) });
      booted = false;
    } else if (command === "boot_linaro_image" || needsSystem(command)) {
      const again = command === "lava_test_shell" && booted === "tested";
      if (!booted || command === "boot_linaro_image" || again) steps.push({ kind: "boot", text: again ? "reboot" : "boot" });
      booted = command === "lava_test_shell" ? "tested" : booted || true;
      if (command === "boot_linaro_image") booted = true;
      else tests += 1;
      if (command !== "boot_linaro_image") steps.push(...testTexts(command, action.parameters ?? {}).map((text) => ({ kind: "test", text })));
    } else if (!hasRole(command)) continue;
    else steps.push({ kind: "bad", text: `unknown: ${String(action.command)}` });
  }
  return { steps, tests };
}

function deployText(command, parameters) {
  if (command === "dummy_deploy") return "as installed";
  if (command === "deploy_linaro_image") return baseName(parameters.image);
  const parts = ["kernel", "ramdisk", "dtb", "rootfs", "firmware"].map((key) => parameters[key]).filter(Boolean);
  return parts.map(baseName).join(", ") || "?";
}

function testTexts(command, parameters) {
  if (command !== "lava_test_shell") return [command.replace(/^lava_/, "").replaceAll("_", " ")];
  const list = (key) => (Array.isArray(parameters[key]) ? parameters[key] : []);
  const inline = parameters.testdef === undefined ? [] : [inlineName(parameters.testdef)];
  const repos = list("testdef_repos").map((repo) => shortName(repo?.testdef ?? repo?.url ?? repo?.["git-repo"]));
  const names = [...list("testdef_urls").map(shortName), ...repos, ...inline];
  return names.length ? names : ["no test definition"];
}

function inlineName(testdef) {
  if (isMap(testdef)) return String(testdef.metadata?.name ?? "inline test");
  return /\bname:\s*["']?([\w.-]+)/.exec(String(testdef))?.[1] ?? "inline test";
}

// -- problems ------------------------------------------------------------------------------------

/** Return the changes that mend a problem whose hint names the replacement, or null. */
export function fixOf(value, problem, pathOf, valueAt) {
  const hint = /^did you mean ("(?:[^"\\]|\\.)*")\?/.exec(problem.hint ?? "");
  const wrong = /"(?:[^"\\]|\\.)*"/.exec(problem.message);
  if (!hint || !wrong || !problem.path) return null;
  const right = JSON.parse(hint[1]);
  const word = JSON.parse(wrong[0]);
  const path = pathOf(problem.path);
  if (problem.message.startsWith("unknown key")) return { right, changes: [{ op: "rename", path, name: right }] };
  const now = valueAt(value, path);
  if (Array.isArray(now)) {
    const index = now.indexOf(word);
    return index < 0 ? null : { right, changes: [{ op: "set", path: [...path, index], value: right }] };
  }
  if (typeof now !== "string" || !now.includes(word)) return null;
  return { right, changes: [{ op: "set", path, value: now.replace(word, () => right) }] };
}
