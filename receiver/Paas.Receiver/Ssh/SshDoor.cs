using System.Net.Sockets;
using Paas.Receiver.Access;
using Paas.Receiver.Git;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Ssh;

/// <summary>
/// Where everybody arrives whom sshd has let in: says who it is, reads the command strictly, and hands over to git, to a verb of <c>corpus</c>, or to
/// a terminal in a project's cage.
/// </summary>
sealed partial class SshDoor(
    SshSettings settings, Keys keys, Gatekeeper gatekeeper, RepositoryGate gate, Reception reception, PackExchange exchange, Terminals terminals, FixTerminal fixing, Verbs verbs,
    AuditLog audit, ILogger<SshDoor> logger) : BackgroundService
{
    Socket? listener;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(settings.Directory, Private);
        File.Delete(settings.Door);
        try
        {
            listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(settings.Door));
            File.SetUnixFileMode(settings.Door, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(128);
        }
        catch (ArgumentOutOfRangeException)
        {
            // The kernel's limit for a socket's name is 107 bytes.
            Log.NameTooLong(logger, settings.Door);
            listener?.Dispose();
            listener = null;
        }

        return base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        listener?.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (listener is not null && !stoppingToken.IsCancellationRequested)
        {
            _ = ServeAsync(await listener.AcceptAsync(stoppingToken), stoppingToken);
        }
    }

    async Task ServeAsync(Socket socket, CancellationToken stopping)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        using var answer = new VisitAnswer(stream);
        try
        {
            var visit = await Visit.ReadAsync(stream, stopping);
            await answer.EndAsync(await AnswerAsync(visit, stream, answer, stopping), stopping);
        }
        catch (Exception e) when (e is IOException or EndOfStreamException or OperationCanceledException or ObjectDisposedException)
        {
            // The visitor is gone, or we are about to be.
        }
        catch (Exception e)
        {
            // The one place that catches everything on this road: one visitor must never close the door.
            Log.Failed(logger, e);
        }
    }

    async Task<int> AnswerAsync(Visit visit, Stream input, VisitAnswer answer, CancellationToken stopping)
    {
        try
        {
            var caller = keys.Find(visit.Key) is { } key ? gatekeeper.CallerOf(key) : null;
            if (caller is null)
            {
                throw new Refusal("This key opens nothing any more.");
            }

            keys.NoteUse(visit.Key);
            return await AnswerAsync(visit, caller with { CameFrom = visit.From }, input, answer, stopping);
        }
        catch (Refusal refusal)
        {
            await SayAsync(answer.Error, refusal.Message, stopping);
            return 1;
        }
        catch (Exception e) when (e is not (IOException or OperationCanceledException or ObjectDisposedException))
        {
            Log.Failed(logger, e);
            await SayAsync(answer.Error, "The receiver is in trouble of its own; its operator's log says why.", stopping);
            return 1;
        }
    }

    Task<int> AnswerAsync(Visit visit, Caller caller, Stream input, VisitAnswer answer, CancellationToken stopping)
    {
        var words = ShellWords.Split(visit.Command) ?? throw new Refusal("A quote in the command is not closed.");
        return words switch
        {
            [] => verbs.GreetAsync(caller, answer, stopping),
            ["git-receive-pack" or "git-upload-pack", var path] => GitAsync(visit, caller, words[0], path, input, answer),
            ["git", "receive-pack" or "upload-pack", var path] => GitAsync(visit, caller, $"git-{words[1]}", path, input, answer),
            ["git" or "git-upload-archive" or "scp" or "rsync" or "sftp" or "sftp-server" or "internal-sftp", ..] => throw new Refusal($"'{words[0]}' is not possible here: git push, git fetch and the verbs of corpus are."),
            ["shell" or "run" or "fix", ..] when words.TakeWhile(word => word != "--").Contains(Paas.Corpus.CommandLine.JsonOption) => verbs.RunAsync(visit, caller, words, input, answer, stopping),
            ["fix", ..] => fixing.RunAsync(visit, caller, words, input, answer, stopping),
            ["shell" or "run", ..] => terminals.RunAsync(visit, caller, words, answer, stopping),
            _ => verbs.RunAsync(visit, caller, words, input, answer, stopping),
        };
    }

    async Task<int> GitAsync(Visit visit, Caller caller, string service, string path, Stream input, VisitAnswer answer)
    {
        var push = service == PackExchange.NameOf(GitService.ReceivePack);
        var address = Addresses.Parse(path, terminals.Root) ?? throw Missing(path);
        var allowed = gate.Ask(caller, address.Environment, address.Project, address.Kind == RepositoryKind.Pillar, push);
        if (allowed != RepositoryAnswer.Granted)
        {
            throw allowed == RepositoryAnswer.Missing ? Missing(path) : new Refusal($"You may not {(push ? "push to" : "fetch from")} {address}.");
        }

        await answer.BeginInputAsync(CancellationToken.None);
        var protocol = PackExchange.ProtocolOf(visit.GitProtocol);
        if (!push)
        {
            return Concluded(service, address, await exchange.UploadPackAsync(await reception.FindAsync(address, CancellationToken.None), stateless: false, protocol, input, answer.Output, CancellationToken.None));
        }

        // Without a token: neither a visitor who hangs up nor our own stop ends a push; both are git's and the deployment's to see.
        var result = await reception.ReceiveAsync(
            address, caller.Name, visit.From.ToString(), gate.FetchesOf(caller), stateless: false, protocol, input, answer.Output, CancellationToken.None, gate.DeploysOf(caller));
        audit.Add(new AuditEntry(caller.Name, caller.Credential, visit.From.ToString(), "push", address.ToString(), result.ExitCode == 0 ? "received" : "failed", "over SSH"));
        return Concluded(service, address, result);
    }

    int Concluded(string service, RepositoryAddress address, ExchangeResult result)
    {
        if (result.ExitCode != 0)
        {
            Log.Ended(logger, service, address.ToString(), result.ExitCode, result.Complaint);
        }

        return result.ExitCode;
    }

    static async Task SayAsync(Stream output, string text, CancellationToken ct) =>
        await output.WriteAsync(System.Text.Encoding.UTF8.GetBytes(LogStream.Harmless(text) + "\n"), ct);

    static Refusal Missing(string path) => new($"There is no repository '{path}'. One is [ENV/]PROJECT.git, its configuration [ENV/]PROJECT/pillar.git.");

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "A visit by ssh failed")]
        public static partial void Failed(ILogger logger, Exception trouble);

        [LoggerMessage(Level = LogLevel.Error, Message = "Nobody can come by ssh: the name of {Door} is too long for a socket. Choose a shorter PAAS_ROOT")]
        public static partial void NameTooLong(ILogger logger, string door);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Service} of {Repository} ended with {Code}: {Complaint}")]
        public static partial void Ended(ILogger logger, string service, string repository, int code, string complaint);
    }
}
