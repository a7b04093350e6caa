using System.CommandLine;
using System.Globalization;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus tokens</c>, <c>tokens add NAME</c>, <c>tokens remove ID</c>. A secret is printed once, alone on standard output.</summary>
static class TokensCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command("tokens", "The tokens that are let in") { Add(surroundings), Remove(surroundings) };
        command.SetAction((parsed, ct) => Listing.ShowAsync(parsed, "tokens", ContractJson.Default.PageTokenSummary, ["ID", "NAME", "FOR", "LIMITED TO", "EXPIRES", "LAST USED"], token =>
            [$"{token.Id}", token.Name, token.Admin ? "everything" : token.User ?? token.Project ?? "every project",
                string.Join(' ', new[] { token.User is null ? null : token.Project, token.Permissions is null ? null : string.Join(',', token.Permissions) }.OfType<string>()),
                Words.Time(token.ExpiresAt), Words.Time(token.UsedAt)], surroundings, ct));
        return command;
    }

    static Command Add(Surroundings surroundings)
    {
        var name = new Argument<string>("name") { Description = "What to call it", HelpName = "NAME" };
        var user = new Option<string?>("--user") { Description = "Whose it is (else yours)", HelpName = "USER" };
        var project = new Option<string?>("--project") { Description = "Good for this project only; without --user its deploy token", HelpName = "[ENV/]PROJECT" };
        var can = new Option<string?>("--can") { Description = "Limited to these permissions, comma separated", HelpName = "PERMISSIONS" };
        var expires = new Option<string?>("--expires") { Description = "Good for so long: 12h, 30d, 52w", HelpName = "TIME" };
        var admin = new Option<bool>("--admin") { Description = "Nobody's, and good for everything" };
        var command = new Command("add", "Make a token; it is shown once") { name, user, project, can, expires, admin };
        command.SetAction(async (parsed, ct) =>
        {
            var until = parsed.GetValue(expires) is { } text ? surroundings.Time.GetUtcNow() + Duration(text) : (DateTimeOffset?)null;
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var made = await client.PostAsync(
                "api/v1/tokens",
                new TokenOrder(parsed.GetValue(name), parsed.GetValue(admin), parsed.GetValue(project), until, parsed.GetValue(user), parsed.GetValue(can)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)),
                ContractJson.Default.TokenOrder, ContractJson.Default.TokenMade, ct);
            await surroundings.HintAsync($"Token {made!.Token.Id} ({made.Token.Name}){(made.Token.ExpiresAt is { } end ? $", until {Words.Time(end)}" : "")}. It is shown this once:");
            await surroundings.SayAsync(made, ContractJson.Default.TokenMade, made.Secret);
            return Exit.Done;
        });
        return command;
    }

    static Command Remove(Surroundings surroundings)
    {
        var id = new Argument<long>("id") { Description = "As corpus tokens shows it", HelpName = "ID" };
        var command = new Command("remove", "Let a token in no more") { id };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            await client.DeleteAsync($"api/v1/tokens/{parsed.GetValue(id)}", ct);
            await surroundings.SayAsync($"Token {parsed.GetValue(id)} opens nothing any more.");
            return Exit.Done;
        });
        return command;
    }

    static TimeSpan Duration(string text)
    {
        var unit = text.Length > 1 ? text[^1] switch { 'h' => TimeSpan.FromHours(1), 'd' => TimeSpan.FromDays(1), 'w' => TimeSpan.FromDays(7), _ => TimeSpan.Zero } : TimeSpan.Zero;
        return unit > TimeSpan.Zero && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= 10_000
            ? unit * count : throw new CorpusException(Exit.Usage, $"'{text}' is no time such as 12h, 30d or 52w.");
    }
}
