using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Applications as Paasmaker's users declare them: several manifests, services, prepare and startup commands, runtimes with versions.</summary>
public sealed class PaasmakersManifests(PaasmakersManifests.WithVersions shared) : IClassFixture<PaasmakersManifests.WithVersions>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task A_repository_with_two_manifests_is_two_applications()
    {
        await using var git = await GitClient.NewAsync(receiver, "two-manifests");
        await git.WriteAsync("answer", "from the root\n");
        await git.WriteAsync("manifest.yml", Manifest("python3 -m http.server --bind 127.0.0.1 %(port)d"));
        await git.WriteAsync("deploy/other.yml", Manifest("python3 -m http.server --bind 127.0.0.1 --directory deploy %(port)d"));
        await git.WriteAsync("deploy/answer", "from below\n");
        await git.CommitAsync("Two applications");

        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal("from the root\n", (await receiver.AskAsync("two-manifests.localhost", "/answer")).Body);

        await git.CommitAsync("The other one");
        var push = await git.PushAsync("manifest=deploy/other.yml");
        Assert.True(push.Accepted, push.Text);
        Assert.Equal("from below\n", (await receiver.AskAsync("two-manifests.localhost", "/answer")).Body);

        // What a release was made by, it stays.
        await receiver.StopAsync();
        await receiver.StartAgainAsync();
        Assert.Equal("from below\n", (await receiver.AskAsync("two-manifests.localhost", "/answer")).Body);
        Assert.Equal(HttpStatusCode.Accepted, (await receiver.AskApiAsync(HttpMethod.Post, "/api/v1/projects/local/two-manifests/redeploy", "{}")).Status);
        await Patience.UntilAsync(async () => (await receiver.AskApiAsync(HttpMethod.Get, "/api/v1/projects/local/two-manifests/releases")).Body.Contains("\"number\":3", StringComparison.Ordinal), "it is deployed again");
        Assert.Equal("from below\n", (await receiver.AskAsync("two-manifests.localhost", "/answer")).Body);

        await git.CommitAsync("No such one");
        var missing = await git.PushAsync("manifest=deploy/missing.yml");
        Assert.False(missing.Accepted);
        Assert.Contains(missing.Remote, line => line.Contains("There is no 'deploy/missing.yml' in this repository.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Services_are_there_while_it_is_prepared_and_their_data_is_the_same_for_all_releases()
    {
        await using var git = await GitClient.NewAsync(receiver, "services");
        for (var number = 1; number <= 2; number++)
        {
            await git.WriteAsync("uploads/shipped.txt", $"shipped {number}\n");
            await git.WriteAsync("manifest.yml", $$"""
                manifest: {format: 1}
                application:
                  name: services
                  prepare:
                    commands:
                      - plugin: paasmaker.prepare.shell
                        parameters: {commands: ['echo "$PM_SERVICES" >prepared', 'test -z "${PM_PORT:-}"', 'kept=within', 'echo $kept >>prepared']}
                instances:
                  - name: web
                    runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "python3 -m http.server --bind 127.0.0.1 %(port)d"} }
                    startup:
                      - {plugin: paasmaker.startup.filesystemlinker, parameters: {directories: [uploads]} }
                      - {plugin: paasmaker.startup.shell, parameters: {commands: ['test -n "$PM_PORT"', 'echo run {{number}} >>uploads/runs'] } }
                services:
                  - {name: files, plugin: paasmaker.service.filesystem}
                  - {name: variables, plugin: paasmaker.service.parameters, parameters: {"number": {{number}} } }
                """);
            await git.CommitAsync($"Version {number}");
            var push = await git.PushAsync();
            Assert.True(push.Accepted, push.Text);
        }

        Assert.Equal("shipped 2\n", (await receiver.AskAsync("services.localhost", "/uploads/shipped.txt")).Body);
        Assert.Equal("run 1\nrun 2\n", (await receiver.AskAsync("services.localhost", "/uploads/runs")).Body);
        var prepared = (await receiver.AskAsync("services.localhost", "/prepared")).Body;
        Assert.Contains("\"variables\":{\"number\":2,\"provider\":\"paasmaker.service.parameters\"}", prepared);
        Assert.Contains("\"protocol\":\"directory\"", prepared);
        Assert.EndsWith("\nwithin\n", prepared);
    }

    [Fact]
    public async Task A_startup_command_that_fails_is_shown_and_taken_back()
    {
        await using var git = await GitClient.NewAsync(receiver, "startup-fails");
        await git.WriteAsync("manifest.yml", Manifest("python3 -m http.server --bind 127.0.0.1 %(port)d", "startup: [{plugin: paasmaker.startup.shell, parameters: {commands: ['echo about to fail', 'false | cat', 'echo never']}}]"));
        await git.CommitAsync("Fail to start");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.Contains(push.Remote, line => line.EndsWith("about to fail", StringComparison.Ordinal));
        Assert.DoesNotContain(push.Remote, line => line.Contains("never", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_runtime_has_the_highest_version_that_was_asked_for_by_prefix()
    {
        await using var git = await GitClient.NewAsync(receiver, "versions");
        await git.WriteAsync("manifest.yml", """
            manifest: {format: 1}
            application:
              name: versions
              prepare:
                runtime: {plugin: paasmaker.runtime.ruby.rbenv, version: 1.9.3}
                commands: [{plugin: paasmaker.prepare.shell, parameters: {commands: ['ruby --version >prepared-with']}}]
            instances:
              - name: web
                runtime: {plugin: paasmaker.runtime.ruby.rbenv, version: 1.9, parameters: {launch_command: "ruby serve %(port)d"}}
                startup: [{plugin: paasmaker.startup.shell, parameters: {commands: ['ruby --version >started-with']}}]
                hostnames: [versions.example.org]
            """);
        await git.CommitAsync("Old ruby");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal("ruby 1.9.3p327\n", (await receiver.AskAsync("versions.localhost", "/prepared-with")).Body);
        Assert.Equal("ruby 1.9.3p327\n", (await receiver.AskAsync("versions.example.org", "/started-with")).Body);

        await git.WriteAsync("manifest.yml", (await File.ReadAllTextAsync(Path.Combine(git.Directory, "manifest.yml"))).Replace("version: 1.9,", "version: 2.0,", StringComparison.Ordinal));
        await git.CommitAsync("A ruby that nobody has");
        var missing = await git.PushAsync();
        Assert.False(missing.Accepted);
        Assert.Contains(missing.Remote, line => line.Contains("asks for ruby 2.0; this machine has", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_static_runtime_serves_its_document_root()
    {
        if (!BuildingReceiver.Has("nginx"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "static-runtime");
        await git.WriteAsync("htdocs/index.html", "a page\n");
        await git.WriteAsync("htdocs2/index.html", "another page\n");
        await git.WriteAsync("manifest.yml", """
            manifest: {format: 1}
            application: {name: static-runtime}
            instances:
              - {name: web, runtime: {plugin: paasmaker.runtime.static, version: 1, parameters: {document_root: htdocs}}}
              - {name: second, runtime: {plugin: paasmaker.runtime.static, version: 1, parameters: {document_root: htdocs2}}}
            """);
        await git.CommitAsync("Two folders");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Equal("a page\n", (await receiver.AskAsync("static-runtime.localhost", "/")).Body);
        Assert.Equal("another page\n", (await receiver.AskAsync("second.static-runtime.localhost", "/")).Body);
    }

    static string Manifest(string launch, string further = "") =>
        $$"""
        manifest: {format: 1}
        application: {name: x}
        instances:
          - name: web
            runtime: {plugin: paasmaker.runtime.shell, version: 1, parameters: {launch_command: "{{launch}}" } }
            {{further}}
        """;

    /// <summary>A machine with rbenv and two old rubies, which are little programs that serve files. They are below /tmp, of which every project has one of its own.</summary>
    public sealed class WithVersions : SharedReceiver, IDisposable
    {
        readonly string home = Path.Combine(Path.GetTempPath(), $"toolchains-{Guid.NewGuid():N}");

        protected override IReadOnlyDictionary<string, string> Settings
        {
            get
            {
                foreach (var version in new[] { "1.9.2-p290", "1.9.3-p327" })
                {
                    var bin = Directory.CreateDirectory(Path.Combine(home, ".rbenv", "versions", version, "bin")).FullName;
                    var ruby = Path.Combine(bin, "ruby");
                    File.WriteAllText(ruby, $"#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'ruby {version.Replace("-", "", StringComparison.Ordinal)}'; exit; fi\nexec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$2\"\n");
                    File.SetUnixFileMode(ruby, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
                }

                return new Dictionary<string, string> { ["PAAS_TOOLCHAINS"] = home };
            }
        }

        public void Dispose() => Directory.Delete(home, recursive: true);
    }
}
