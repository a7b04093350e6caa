using Paas.Receiver.Manifests;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>
/// What buildpacks want done before anything of a release is run (<c>.profile.d/*.sh</c>, then the project's own <c>.profile</c>), as Heroku does it: sourced by bash, in the
/// release's directory, in the order of their names.
/// </summary>
static class Profile
{
    // What it sources may be anything, so nothing of ours stays in its way: the line is the only argument.
    const string Source = """for file in .profile.d/*.sh; do if [ -r "$file" ]; then . "$file"; fi; done; unset file; if [ -r .profile ]; then . ./.profile; fi; eval "$0" """;

    /// <summary>The line as it is where the release has neither.</summary>
    public static string Before(string release, string line) =>
        File.Exists(Path.Combine(release, ".profile")) || HasScripts(Path.Combine(release, ".profile.d"))
            ? $"exec /bin/bash -c {ShellWords.Quote(Source.TrimEnd())} {ShellWords.Quote(Nursery.AsWritten(line))}"
            : line;

    static bool HasScripts(string directory) => Directory.Exists(directory) && Directory.EnumerateFiles(directory, "*.sh").Any();
}
