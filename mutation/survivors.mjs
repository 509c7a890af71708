import { PluginKind, declareClassPlugin } from "@stryker-mutator/api/plugin";

/** Prints each mutant that no test noticed as soon as it is known: a whole run takes more than an hour. */
class SurvivorsReporter {
  onMutantTested({ status, fileName, location, mutatorName, replacement }) {
    if (status === "Killed" || status === "Ignored" || status === "CompileError") return;
    const { line, column } = location.start;
    process.stdout.write(`${status} ${fileName}:${line}:${column} ${mutatorName}: ${replacement}\n`);
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, "survivors", SurvivorsReporter)];
