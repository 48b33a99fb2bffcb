// What each command of an action takes, as the form shows it. The server's rules decide; here is only what to ask for.
//
// kind: text, exact (blanks at its ends mean something), number, lines (a list, one a line), block (text of several lines), words (a list on one line),
// data (anything, as YAML). The first parameter of a command is the one that is always in sight.

const LOGIN = [
  { key: "login_prompt", kind: "exact" },
  { key: "username", kind: "text" },
  { key: "password_prompt", kind: "exact" },
  { key: "password", kind: "exact" },
  { key: "login_commands", kind: "lines" },
];
const files = (names) => names.flatMap((key) => [{ key, kind: "text", url: true }, { key: `${key}_sha256`, kind: "text" }]);

export const COMMANDS = {
  deploy_linaro_image: [{ key: "image", kind: "text", url: true }, { key: "sha256", kind: "text" }, ...LOGIN],
  deploy_linaro_kernel: [
    ...files(["kernel", "ramdisk", "dtb", "rootfs", "firmware"]),
    { key: "boot_cmds", kind: "lines" },
    ...LOGIN,
  ],
  dummy_deploy: [{ key: "target_type", kind: "text" }],
  boot_linaro_image: [{ key: "options", kind: "words" }, { key: "boot_cmds", kind: "lines" }],
  lava_test_shell: [
    { key: "testdef_urls", kind: "lines" },
    { key: "testdef_repos", kind: "data" },
    { key: "testdef", kind: "block" },
    { key: "timeout", kind: "number", unit: "seconds" },
    { key: "skip_install", kind: "text" },
    { key: "lava_test_dir", kind: "text" },
  ],
  lava_command_run: [
    { key: "commands", kind: "lines" },
    { key: "parser", kind: "exact" },
    { key: "fixupdict", kind: "data" },
    { key: "iterations", kind: "number" },
    { key: "timeout", kind: "number", unit: "seconds" },
  ],
  lava_test_install: [
    { key: "tests", kind: "words" },
    { key: "install_python", kind: "words" },
    { key: "install_deb", kind: "words" },
    { key: "register", kind: "lines" },
    { key: "timeout", kind: "number", unit: "seconds" },
  ],
  add_apt_repository: [{ key: "arg", kind: "lines" }],
  submit_results: [{ key: "server", kind: "text" }, { key: "stream", kind: "text" }],
  submit_results_on_host: [{ key: "server", kind: "text" }, { key: "stream", kind: "text" }],
};

const ALIASES = {
  deploy_image: "deploy_linaro_image",
  deploy_kernel: "deploy_linaro_kernel",
  boot_image: "boot_linaro_image",
};
const NO_ROLE = new Set(["submit_results", "submit_results_on_host"]);
const TESTS = new Set(["lava_test_shell", "lava_command_run", "lava_test_install", "add_apt_repository"]);

export const named = (command) => ALIASES[command] ?? command;
export const hasRole = (command) => !NO_ROLE.has(command);
export const isDeploy = (command) => /^deploy_/.test(named(command));
export const needsSystem = (command) => TESTS.has(command);

/** Return the parameters that the form shows for a command; of one that nobody knows, none. */
export function parametersOf(command) {
  return Object.hasOwn(COMMANDS, named(command) ?? "") ? COMMANDS[named(command)] : [];
}

/** The parameter of an action that is always in sight: the first that is given, else the first. */
export function mainParameter(command, parameters) {
  const shown = parametersOf(command);
  const given = shown.find(({ key, kind }) => ["text", "exact", "lines", "words", "block"].includes(kind) && parameters?.[key] !== undefined);
  return command === "lava_test_shell" && given && !["testdef_urls", "testdef"].includes(given.key) ? shown[0] : given ?? shown[0];
}
