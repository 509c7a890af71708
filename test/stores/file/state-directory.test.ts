import { describe, expect, it } from "vitest";
import { stateDirectory } from "../../../src/stores/file/state-directory.js";

const home = "/home/rec";
const windows = { platform: "win32", home: "C:\\Users\\rec" } as const;
const localAppData = "C:\\Users\\rec\\AppData\\Local";

describe("the state directory of a host", () => {
  it.each([
    // Systemd's own comes first, of several the first.
    { env: { STATE_DIRECTORY: "/var/lib/rec", XDG_STATE_HOME: "/xdg" }, platform: "linux", home, is: "/var/lib/rec" },
    { env: { STATE_DIRECTORY: "/var/lib/rec:/var/lib/other" }, platform: "linux", home, is: "/var/lib/rec" },
    { env: { STATE_DIRECTORY: "/var/lib/rec" }, platform: "linux", home: undefined, is: "/var/lib/rec" },
    { env: { STATE_DIRECTORY: "", XDG_STATE_HOME: "/xdg" }, platform: "linux", home, is: "/xdg" },
    { env: { STATE_DIRECTORY: "rec:/other", XDG_STATE_HOME: "/xdg" }, platform: "linux", home, is: "/xdg" },
    // The user's choice, on every platform.
    { env: { XDG_STATE_HOME: "/xdg" }, platform: "linux", home, is: "/xdg" },
    { env: { XDG_STATE_HOME: "/xdg" }, platform: "linux", home: undefined, is: "/xdg" },
    { env: { XDG_STATE_HOME: "/xdg" }, platform: "darwin", home, is: "/xdg" },
    { env: { XDG_STATE_HOME: "D:\\state", LOCALAPPDATA: localAppData }, ...windows, is: "D:\\state" },
    { env: { XDG_STATE_HOME: "state" }, platform: "linux", home, is: "/home/rec/.local/state" },
    { env: { XDG_STATE_HOME: "./state", LOCALAPPDATA: localAppData }, ...windows, is: localAppData },
    // The custom of the platform.
    { env: {}, platform: "linux", home, is: "/home/rec/.local/state" },
    { env: {}, platform: "freebsd", home, is: "/home/rec/.local/state" },
    { env: { LOCALAPPDATA: "/local" }, platform: "linux", home, is: "/home/rec/.local/state" },
    { env: {}, platform: "darwin", home: "/Users/rec", is: "/Users/rec/Library/Application Support" },
    { env: { LOCALAPPDATA: localAppData }, ...windows, is: localAppData },
    // A colon of a Windows path separates nothing that counts.
    { env: { STATE_DIRECTORY: "C:\\state", LOCALAPPDATA: localAppData }, ...windows, is: localAppData },
    // Nothing is known.
    { env: {}, platform: "linux", home: undefined, is: undefined },
    { env: {}, platform: "linux", home: "", is: undefined },
    { env: {}, platform: "linux", home: "rec", is: undefined },
    { env: {}, platform: "darwin", home: undefined, is: undefined },
    { env: {}, ...windows, is: undefined },
    { env: { LOCALAPPDATA: "AppData" }, ...windows, is: undefined },
  ] as const)("is $is under $platform with $env and the home $home", ({ env, platform, home, is }) => {
    expect(stateDirectory({ env, platform, home })).toBe(is);
  });
});
