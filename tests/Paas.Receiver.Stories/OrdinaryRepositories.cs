using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Repositories as people have them, pushed as they are: buildpacks make them run.</summary>
public sealed class OrdinaryRepositories(BuildingReceiver shared) : IClassFixture<BuildingReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task An_express_application_runs_and_an_unchanged_lock_file_runs_no_npm()
    {
        if (!BuildingReceiver.Has("node", "npm"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "express", "express");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Node.js detected (package.json)", push.Remote);
        Assert.Contains(push.Remote, line => line.StartsWith("-----> Installing dependencies with npm", StringComparison.Ordinal));
        Assert.Equal("express v1 production\n", (await receiver.AskAsync("express.localhost")).Body);

        await git.CommitFileAsync("server.js", (await File.ReadAllTextAsync(Path.Combine(git.Directory, "server.js"))).Replace("express ${", "again ${", StringComparison.Ordinal));
        var second = await git.PushAsync();

        Assert.True(second.Accepted, second.Text);
        Assert.Contains("       dependencies are as they were (package-lock.json and node are unchanged)", second.Remote);
        Assert.DoesNotContain(second.Remote, line => line.Contains("npm", StringComparison.Ordinal));
        Assert.Equal("again v2 production\n", (await receiver.AskAsync("express.localhost")).Body);

        await git.CommitFileAsync("package.json", "{ \"name\": oops }\n");
        Assert.Contains((await git.PushAsync()).Remote, line => line.StartsWith(" !     package.json is not JSON: Unexpected token", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_vite_site_is_built_and_served_as_files()
    {
        if (!BuildingReceiver.Has("node", "npm", "nginx"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "vite");
        await using (var pillar = await GitClient.NewAsync(receiver, "vite/pillar"))
        {
            await pillar.CommitFileAsync("init.sls", "env:\n  VITE_AUDIENCE: everybody\n");
            var stored = await pillar.PushAsync();
            Assert.True(stored.Accepted, stored.Text);
        }

        await git.CommitSampleAsync("vite-site");
        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.DoesNotContain("␛", push.Text, StringComparison.Ordinal);
        var (status, page) = await receiver.AskAsync("vite.localhost", "/somewhere/inside");
        Assert.Equal(HttpStatusCode.OK, status);
        var script = page[page.IndexOf("/assets/", StringComparison.Ordinal)..].Split('"')[0];
        Assert.Contains("everybody", (await receiver.AskAsync("vite.localhost", script)).Body);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("vite.localhost", "/.git/config")).Status);
        Assert.False(Directory.Exists(Path.Combine(receiver.Project("vite"), "run", "node_modules", "vite")), "what only the build needs is no part of the release");
    }

    [Fact]
    public async Task An_aspnet_application_is_published_with_its_packages()
    {
        if (!BuildingReceiver.Has("dotnet"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "aspnet", "aspnet");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> .NET detected (aspnet.csproj)", push.Remote);
        Assert.Equal("aspnet v1 Production with Dapper\n", (await receiver.AskAsync("aspnet.localhost")).Body);

        await git.CommitFileAsync("note.txt", "nothing to restore\n");
        var second = await git.PushAsync();

        Assert.True(second.Accepted, second.Text);
        Assert.Contains("       packages are as they were (project files and SDK are unchanged)", second.Remote);
        Assert.Equal("aspnet v2 Production with Dapper\n", (await receiver.AskAsync("aspnet.localhost")).Body);
    }

    [Fact]
    public async Task A_flask_application_runs_on_Debians_own_packages()
    {
        if (!BuildingReceiver.Has("python3", "flask", "pip3"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "flask", "flask");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Python detected (requirements.txt)", push.Remote);
        Assert.Contains("-----> This machine's own Python packages are what is required: nothing is fetched", push.Remote);
        Assert.Equal("flask v1\n", (await receiver.AskAsync("flask.localhost")).Body);
        Assert.Contains("       dependencies are as they were (the requirements and python are unchanged)", (await AgainAsync(git)).Remote);
    }

    [Fact]
    public async Task A_sinatra_application_runs_on_Debians_own_gems()
    {
        if (!BuildingReceiver.Has("ruby", "bundle"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "sinatra", "sinatra");

        var push = await git.PushAsync();

        if (!push.Accepted && !Directory.Exists("/usr/share/rubygems-integration/all/gems"))
        {
            Console.WriteLine("skipped: ruby-sinatra not on this machine");
            return;
        }

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Ruby detected (Gemfile)", push.Remote);
        Assert.Equal("sinatra v1 production\n", (await receiver.AskAsync("sinatra.localhost")).Body);
    }

    [Fact]
    public async Task A_page_of_PHP_answers_every_path()
    {
        if (!BuildingReceiver.Has("php"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "php", "php-page");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> PHP detected (index.php)", push.Remote);
        Assert.Equal("php v1 /plain?a=b\n", (await receiver.AskAsync("php.localhost", "/plain?a=b")).Body);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("php.localhost", "/.paas/php/root")).Status);
    }

    [Fact]
    public async Task A_Go_module_without_dependencies_needs_no_network()
    {
        if (!BuildingReceiver.Has("go"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "golang", "go-hello");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Go detected (go.mod)", push.Remote);
        Assert.Equal("go v1\n", (await receiver.AskAsync("golang.localhost")).Body);
    }

    [Fact]
    public async Task A_folder_of_files_is_served_by_its_own_rules()
    {
        if (!BuildingReceiver.Has("nginx"))
        {
            return;
        }

        await using var git = await GitClient.NewAsync(receiver, "static", "static-site");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Static files detected (static.json)", push.Remote);
        Assert.Contains("About", (await receiver.AskAsync("static.localhost", "/about")).Body);
        Assert.Contains("a page", (await receiver.AskAsync("static.localhost", "/no/such/page")).Body);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("static.localhost", "/.hidden")).Status);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(receiver.Address, "/assets/style.css")) { Headers = { Host = "static.localhost" } };
        using var style = await receiver.Http.SendAsync(request);
        Assert.Equal("public, max-age=31536000", style.Headers.CacheControl?.ToString());
        Assert.Equal("text/css", style.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task A_Python_program_alone_runs()
    {
        await using var git = await GitClient.NewAsync(receiver, "alone", "python-alone");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Python detected (app.py)", push.Remote);
        Assert.Equal("python alone v1\n", (await receiver.AskAsync("alone.localhost")).Body);
    }

    [Fact]
    public async Task A_project_that_is_its_own_buildpack_gets_cache_variables_profile_and_process_types()
    {
        await using var git = await GitClient.NewAsync(receiver, "own");
        await using (var pillar = await GitClient.NewAsync(receiver, "own/pillar"))
        {
            await pillar.CommitFileAsync("init.sls", "env:\n  GREETING: hello\n");
            await pillar.PushAsync();
        }

        await git.CommitSampleAsync("own-buildpack");
        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> Inline detected (bin/compile)", push.Remote);
        Assert.Contains("-----> Building by itself", push.Remote);
        Assert.Equal("built 1 times, greeting hello released profiled\n", (await receiver.AskAsync("own.localhost")).Body);

        Assert.True((await AgainAsync(git)).Accepted);
        Assert.StartsWith("built 2 times", (await receiver.AskAsync("own.localhost")).Body);

        await git.CommitFileAsync("note.txt", "anew\n");
        Assert.True((await git.PushAsync("rebuild")).Accepted);
        Assert.StartsWith("built 1 times", (await receiver.AskAsync("own.localhost")).Body);
    }

    [Fact]
    public async Task Of_several_buildpacks_each_gets_what_the_former_exported_and_the_last_says_what_runs()
    {
        await using var git = await GitClient.NewAsync(receiver, "two", "two-buildpacks");
        await git.CommitFileAsync("requirements.txt", "# none\n");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("-----> First detected (.buildpacks)", push.Remote);
        Assert.Contains("-----> Python detected (.buildpacks)", push.Remote);
        Assert.Equal("two buildpacks v1\n", (await receiver.AskAsync("two.localhost")).Body);
    }

    static async Task<PushResult> AgainAsync(GitClient git)
    {
        await git.CommitAsync("Again");
        return await git.PushAsync();
    }
}
