using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.Git;
using Paas.Receiver.Hooks;
using Paas.Receiver.Logs;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.GitHttp;

/// <summary>The doors for git with everything real (Kestrel on a free port, git, hooks, tokens) but the deployments, which a test plays itself.</summary>
sealed class PushingReceiver : IAsyncDisposable
{
    readonly WebApplication app;
    readonly Database database;
    int clones;
    int deployments;

    PushingReceiver(string root, long? maxInputSize, string? hooksDirectory)
    {
        Root = root;
        var state = Path.Combine(root, "state");
        Directory.CreateDirectory(state);
        database = Database.OpenOrCreate(Path.Combine(state, "receiver.db"));
        var environment = new Paas.Receiver.Projects.Environment(Paas.Receiver.Projects.EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, Path.Combine(root, "srv"), IsDefault: true);
        Projects = ProjectStore.Open(database, environment, TimeProvider.System);
        Git = new GitProgram(Path.Combine(state, "git"), hooksDirectory ?? Path.Combine(AppContext.BaseDirectory, "hooks")) { MaxInputSize = maxInputSize };
        Pushes = new OpenPushes(state);
        Token = new string('t', 40);

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        Access = new AccessRoom(database, TimeProvider.System);
        Tokens.EnsureAdmin(Token);
        Access.AddTo(builder.Services.AddSingleton(Projects).AddSingleton(Git).AddSingleton(Pushes));
        builder.Services.AddSingleton<PackExchange>().AddSingleton<Newcomers>().AddSingleton<Reception>().AddSingleton<LargeFilesDoor>().AddSingleton<GitDoor>();
        builder.Services.AddSingleton(services => new PushHooks(
            new RefRules(["main", "master"]), Git, Submit, RefMoved.Add, (push, deploys, _) => Task.FromResult(Check(push, deploys)),
            services.GetRequiredService<ILogger<PushHooks>>()));
        builder.Services.AddHostedService<Doorbell>();
        app = builder.Build();
        GitHttpEndpoints.Map(app);
    }

    public string Root { get; }

    public string Token { get; }

    public AccessRoom Access { get; }

    public Tokens Tokens => Access.Tokens;

    public Uri Address { get; private set; } = null!;

    public ProjectStore Projects { get; }

    public GitProgram Git { get; }

    public OpenPushes Pushes { get; }

    /// <summary>What was submitted, in order.</summary>
    public List<DeploymentRequest> Submitted { get; } = [];

    /// <summary>Deployments that were told that their ref has moved.</summary>
    public System.Collections.Concurrent.ConcurrentBag<string> RefMoved { get; } = [];

    /// <summary>Plays a deployment: writes to its log and says whether it is live.</summary>
    public Func<DeploymentRequest, LogStream, Task<bool>> Deploy { get; set; } = (_, log) =>
    {
        log.Title("playing");
        log.Result("live");
        return Task.FromResult(true);
    };

    public Func<Push, RefUpdate?, IReadOnlyList<string>> Check { get; set; } = (_, _) => [];

    public static async Task<PushingReceiver> StartAsync(long? maxInputSize = null, string? hooksDirectory = null)
    {
        var receiver = new PushingReceiver(Directory.CreateTempSubdirectory("paas-git-").FullName, maxInputSize, hooksDirectory);
        await receiver.app.StartAsync();
        receiver.Address = new Uri(receiver.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return receiver;
    }

    public string Url(string path) => $"http://any:{Token}@127.0.0.1:{Address.Port}/git/{path}";

    public GitRepository Repository(string project) => new(Projects.Find(null, ProjectName.Parse(project))!.ProjectRepository, Git);

    /// <summary>A work tree with one commit and <c>origin</c> pointing here.</summary>
    public async Task<WorkTree> NewWorkTreeAsync(string path)
    {
        var tree = await WorkTree.InitAsync(System.IO.Path.Combine(Root, $"work{Interlocked.Increment(ref clones)}"));
        await tree.GitAsync("remote", "add", "origin", Url(path));
        await tree.CommitAsync("README", "hello\n");
        return tree;
    }

    public HttpClient Client(string? token = null)
    {
        var client = new HttpClient { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("any:" + (token ?? Token))));
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        Access.Dispose();
        database.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    Followed Submit(DeploymentRequest request)
    {
        lock (Submitted)
        {
            Submitted.Add(request);
        }

        var id = $"deployment-{Interlocked.Increment(ref deployments)}";
        var log = LogStream.Open(System.IO.Path.Combine(Root, id + ".log"));
        return new Followed(id, log, Task.Run(PlayAsync));

        async Task<bool> PlayAsync()
        {
            try
            {
                return await Deploy(request, log);
            }
            finally
            {
                log.Close();
            }
        }
    }
}

/// <summary>A pusher's repository, driven with the real git and none of this machine's settings.</summary>
sealed class WorkTree(string directory)
{
    static readonly Dictionary<string, string> Settings = new(Processes.Command.CleanEnvironment)
    {
        ["HOME"] = "/nonexistent",
        ["GIT_CONFIG_NOSYSTEM"] = "1",
        ["GIT_TERMINAL_PROMPT"] = "0",
        ["GIT_CONFIG_COUNT"] = "1", // git would tidy up in the background, after the test and its directory are gone
        ["GIT_CONFIG_KEY_0"] = "gc.auto",
        ["GIT_CONFIG_VALUE_0"] = "0",
        ["GIT_AUTHOR_NAME"] = "A Pusher",
        ["GIT_AUTHOR_EMAIL"] = "pusher@example.org",
        ["GIT_COMMITTER_NAME"] = "A Pusher",
        ["GIT_COMMITTER_EMAIL"] = "pusher@example.org",
    };

    public string Directory => directory;

    public static async Task<WorkTree> InitAsync(string directory, params string[] options)
    {
        System.IO.Directory.CreateDirectory(directory);
        var tree = new WorkTree(directory);
        await tree.GitAsync(["init", "--quiet", "--initial-branch=main", .. options]);
        return tree;
    }

    public Command Command(params IReadOnlyList<string> arguments) => new("git", arguments) { Directory = directory, Environment = Settings };

    /// <summary>Output; an error fails the test.</summary>
    public async Task<string> GitAsync(params IReadOnlyList<string> arguments)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        return (await Command(arguments).OutputAsync(limit.Token)).Trim();
    }

    /// <summary>Exit code and error output, where git shows what the server says.</summary>
    public async Task<(int Code, string Said)> TryGitAsync(params IReadOnlyList<string> arguments)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        var result = await Command(arguments).RunAsync(limit.Token);
        return (result.ExitCode, result.Error);
    }

    public async Task<string> CommitAsync(string file, string content)
    {
        var path = System.IO.Path.Combine(directory, file);
        System.IO.Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, content);
        await GitAsync("add", "--all");
        await GitAsync("commit", "--quiet", "--message", file);
        return await HeadAsync();
    }

    public Task<string> HeadAsync() => GitAsync("rev-parse", "HEAD");
}
