using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>The examples of <c>receiver/docs/extending.md</c>, taken from the page itself: a buildpack, a language with versions and a prepare command are a folder.</summary>
public sealed class ExtendingAsThePageSays(ExtendingAsThePageSays.WithTools shared) : IClassFixture<ExtendingAsThePageSays.WithTools>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_folder_builds_and_runs_a_new_language_with_the_version_that_is_asked_for()
    {
        await using var git = await GitClient.NewAsync(receiver, "moon");
        await git.WriteAsync("main.lua", "from a new language\n");
        await git.WriteAsync(".lua-version", "5.1\n");
        await git.CommitAsync("Lua");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Lua detected", push.Text, StringComparison.Ordinal);
        Assert.Contains("remote:        lua 5.1.5 (asked for: 5.1, .lua-version)", push.Text, StringComparison.Ordinal);
        Assert.Contains(push.Remote, line => line.Trim() == "Lua 5.1.5");
        Assert.Equal("from a new language\n", (await receiver.AskAsync("moon.localhost", "/main.lua")).Body);

        await git.CommitFileAsync(".lua-version", "5.4\n");
        var missing = await git.PushAsync();
        Assert.False(missing.Accepted);
        Assert.Contains(".lua-version asks for lua 5.4; this machine has 5.1.5, 5.1.4", missing.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_is_a_new_prepare_command_of_manifests()
    {
        await using var git = await GitClient.NewAsync(receiver, "prepared");
        await git.WriteAsync("manifest.yml", Manifest("{plugin: example.prepare.version, parameters: {file: version.txt, greeting: built from}}"));
        await git.CommitAsync("Prepared by a command of the operator's");
        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Running prepare command 1 of 1 (example.prepare.version)", push.Text, StringComparison.Ordinal);
        Assert.Equal($"built from {await git.HeadAsync()}\n", (await receiver.AskAsync("prepared.localhost", "/version.txt")).Body);

        await git.CommitFileAsync("manifest.yml", Manifest("{plugin: example.prepare.version, parameters: {flie: version.txt}}"));
        var wrong = await git.PushAsync();
        Assert.False(wrong.Accepted);
        Assert.Contains("parameters.flie: is not known here; did you mean 'file'?", wrong.Text, StringComparison.Ordinal);

        await git.CommitFileAsync("manifest.yml", Manifest("{plugin: example.prepare.verse}"));
        Assert.Contains("there is no plug-in 'example.prepare.verse' here; available: example.prepare.version, paasmaker.prepare.pythonpip, paasmaker.prepare.shell", (await git.PushAsync()).Text, StringComparison.Ordinal);

        static string Manifest(string command) => $$$"""
            manifest: {format: 1}
            application: {name: prepared, prepare: {commands: [{{{command}}}]}}
            instances:
              - {name: web, runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "/usr/bin/python3 -m http.server --bind 127.0.0.1 %(port)d"} } }
            """;
    }

    /// <summary>A machine with two versions of a language that nobody here knows: little programs that serve files.</summary>
    public sealed class WithTools : SharedReceiver, IDisposable
    {
        readonly string place = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), $"extending-{Guid.NewGuid():N}")).FullName;

        protected override IReadOnlyDictionary<string, string> Settings
        {
            get
            {
                WriteThePage();
                foreach (var version in new[] { "5.1.4", "5.1.5" })
                {
                    Write(Path.Combine("home", ".luaenv", "versions", version, "bin", "lua"), $"#!/bin/sh\nif [ \"$1\" = -v ]; then echo 'Lua {version}'; exit; fi\nexec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
                }

                return new Dictionary<string, string> { ["PAAS_BUILDPACKS"] = Path.Combine(place, "tools"), ["PAAS_TOOLCHAINS"] = Path.Combine(place, "home") };
            }
        }

        public void Dispose() => Directory.Delete(place, recursive: true);

        /// <summary>The examples: a path at the fourth column begins a file, what is further right goes on with it.</summary>
        void WriteThePage()
        {
            string? path = null;
            var content = "";
            foreach (var line in File.ReadLines(Path.Combine(Places.Top, "receiver", "docs", "extending.md")).Append("    "))
            {
                var begins = line.StartsWith("    tools/", StringComparison.Ordinal);
                if (path is not null && (begins || line.Length <= 4 || !line.StartsWith("    ", StringComparison.Ordinal)))
                {
                    Write(path, content);
                    path = null;
                }

                if (begins)
                {
                    var words = line.Trim().Split(' ', 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
                    (path, content) = (words[0], words[1] + "\n");
                }
                else if (path is not null)
                {
                    content += line.Trim() + "\n";
                }
            }
        }

        void Write(string path, string content)
        {
            var file = Path.Combine(place, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, content);
            File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        }
    }
}
