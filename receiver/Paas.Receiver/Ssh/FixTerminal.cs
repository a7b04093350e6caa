using System.Text;
using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Ssh;

/// <summary><c>fix</c>: a shell, or one command, in a view of the live release whose changes become a patch and a release (R7.6).</summary>
sealed class FixTerminal(Terminals terminals, ManualFixes fixes, Gatekeeper gatekeeper, Fleet fleet, AuditLog audit)
{
    const string Usage = "Usage: fix [-e ENV] [-m TEXT] [-n|--no-deploy] [--discard] PROJECT [-- COMMAND...], or fix [-e ENV] PROJECT --apply N";

    /// <summary>How long a question waits for its answer.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    public async Task<int> RunAsync(Visit visit, Caller caller, IReadOnlyList<string> words, Stream input, VisitAnswer answer, CancellationToken ct)
    {
        var wish = Read(words);
        var project = terminals.Find(wish.Project, wish.Environment, caller);
        if (!gatekeeper.May(caller, Permission.ApplicationRouting, project))
        {
            throw new Refusal($"You may not change what is live of {project.Key}.");
        }

        if (wish.Apply is { } number)
        {
            return Audited(await fixes.ApplyAsync(project, number, caller.Name, visit.From.ToString(), new FixVisitor(SayAsync), ct), $"fix {number}");
        }

        if (wish.Command is null && !visit.HasTerminal)
        {
            throw new Refusal("A shell needs a terminal: ssh -t. For one command there is fix PROJECT -- COMMAND.");
        }

        var fix = await fixes.OpenAsync(project, caller.Name, ct);
        var code = ManualFixes.HungUp;
        try
        {
            var launch = fix.Launch with { Environment = Terminals.With(fix.Launch.Environment, visit, fix.Release) };
            await using var prepared = fleet.Prepare(launch, OpenFix.Tidy(wish.Command ?? Terminals.Shell()), fix.Patch.Scratch);
            if (wish.Command is null)
            {
                await SayAsync($"-----> This is {fix.Release} of {project} as it was sealed; nobody else sees what you change until you leave (exit, or Ctrl-D)");
            }

            code = await answer.RunThereAndStayAsync(prepared.Command, ct);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The visitor is gone, or we are about to be: what was done until now is kept.
        }

        return Audited(
            await fixes.ConcludeAsync(
                fix, code, wish.What, new FixVisitor(SayAsync, visit.HasTerminal ? AskAsync : null), visit.From.ToString(), ct),
            $"{fix.Patch} of {fix.Release}{(wish.Command is null ? "" : $": {wish.Command[0]}")}");

        int Audited(int result, string detail)
        {
            // The program's name only: what follows it may hold a secret.
            audit.Add(new AuditEntry(caller.Name, caller.Credential, visit.From.ToString(), "fix", project.Key, result.ToString(), detail));
            return result;
        }

        async Task SayAsync(string line) => await answer.Output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), ct);

        async Task<string?> AskAsync(string question)
        {
            await answer.Output.WriteAsync(Encoding.UTF8.GetBytes(question), ct);
            await answer.BeginInputAsync(ct);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(Patience);
            using var reader = new StreamReader(input, leaveOpen: true);
            try
            {
                return await reader.ReadLineAsync(limit.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                return null;
            }
        }
    }

    static Wish Read(IReadOnlyList<string> words)
    {
        var end = words.ToList().IndexOf("--");
        var last = end < 0 ? words.Count : end;
        var (project, environment, subject, apply) = ((string?)null, (string?)null, (string?)null, (int?)null);
        var (keep, discard) = (false, false);
        for (var i = 1; i < last; i++)
        {
            switch (words[i])
            {
                case "-e" or "--environment" when i + 1 < last && environment is null:
                    environment = words[++i];
                    break;
                case "-m" or "--message" when i + 1 < last && subject is null:
                    subject = words[++i];
                    break;
                case "--apply" when i + 1 < last && apply is null && int.TryParse(words[i + 1], out var number) && number > 0:
                    (apply, i) = (number, i + 1);
                    break;
                case "-n" or "--no-deploy":
                    keep = true;
                    break;
                case "--discard":
                    discard = true;
                    break;
                case var word when project is null && !word.StartsWith('-'):
                    project = word;
                    break;
                default:
                    throw new Refusal(Usage);
            }
        }

        var command = end < 0 ? null : words.Skip(end + 1).ToList();
        if (project is null || command is [] or ["", ..] || (apply is not null && (command is not null || keep || discard)))
        {
            throw new Refusal(Usage);
        }

        return new Wish(project, environment, command, apply, FixWish.Of(subject, keep, discard));
    }

    /// <param name="Command">Null is a shell.</param>
    sealed record Wish(string Project, string? Environment, IReadOnlyList<string>? Command, int? Apply, FixWish What);
}
