using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary>
/// <c>corpus login URL</c>: with a user's password, a local or a directory's, a token is made that is good for a while; with a token that one is taken. It is kept in
/// <c>~/.makinastates.conf</c>; the password is kept nowhere.
/// </summary>
static class LoginCommand
{
    const int GoodForDays = 90;

    public static Command Create(Surroundings surroundings)
    {
        var endpoint = new Argument<string?>("endpoint") { Description = "Where the receiver is, or a nickname of ~/.makinastates.conf (else --endpoint, PAAS_URL or the git remote)", HelpName = "URL", Arity = ArgumentArity.ZeroOrOne };
        var user = new Option<string?>("--user") { Description = "Who you are there; without it, not at a terminal, a token is expected", HelpName = "USER" };
        var name = new Option<string?>("--name") { Description = "What to call the receiver from now on (else its host's name)", HelpName = "NICKNAME" };
        var file = new Option<string?>("--token-file") { Description = "A file with the password or the token (else asked for, or a line of standard input)", HelpName = "FILE" };
        var command = new Command("login", "Take a password for a token, or a token as it is, and keep it in ~/.makinastates.conf") { endpoint, user, name, file };
        command.SetAction(async (parsed, ct) =>
        {
            if (surroundings.Only is not null)
            {
                throw new CorpusException(Exit.Usage, "you are in already: your key is what lets you in here.", "corpus users me");
            }

            var place = (parsed.GetValue(endpoint) is { } given ? Target.At(given, surroundings) : Target.Of(parsed, null, surroundings)).Endpoint;
            var who = parsed.GetValue(user) ?? await Typed.WordAsync($"User at {place.Authority} (nothing for a token)", surroundings, ct);
            var secret = await Typed.SecretAsync(string.IsNullOrEmpty(who) ? "Token" : "Password", parsed.GetValue(file), surroundings, ct);
            var (me, kept) = await EnterAsync(new Target(place, secret, null, null) { User = string.IsNullOrEmpty(who) ? null : who }, surroundings, ct);
            var nickname = parsed.GetValue(name) ?? NicknameOf(place, SettingsFile.Read(surroundings.Home, surroundings.Warn));
            SettingsFile.Keep(surroundings.Home, new Account(nickname, place.ToString().TrimEnd('/'), me.User ?? me.Name, kept));
            await surroundings.SayAsync($"You are {me.Name} at {place.Authority}, called {nickname} from now on. Next: corpus --endpoint {nickname} status");
            return Exit.Done;
        });
        return command;
    }

    /// <summary>The one it has already, else its host's name, with the port where that is taken.</summary>
    static string NicknameOf(Uri place, IReadOnlyList<Account> accounts)
    {
        var host = place.DnsSafeHost.Replace(':', '-');
        return accounts.FirstOrDefault(account => Target.AsUri(account.Url) == place)?.Nickname
            ?? (accounts.Any(account => account.Nickname == host) ? $"{host}-{place.Port}" : host);
    }

    static async Task<(WhoAmI Me, string Kept)> EnterAsync(Target target, Surroundings surroundings, CancellationToken ct)
    {
        using var client = new ReceiverClient(target, surroundings);
        var me = await client.GetAsync("api/v1/whoami", ContractJson.Default.WhoAmI, ct);
        if (me.Credential.StartsWith("token", StringComparison.Ordinal))
        {
            return (me, target.Token!);
        }

        var order = new TokenOrder($"corpus at {Environment.MachineName}", false, null, surroundings.Time.GetUtcNow().AddDays(GoodForDays), null, null);
        var made = await client.PostAsync("api/v1/tokens", order, ContractJson.Default.TokenOrder, ContractJson.Default.TokenMade, ct);
        return (me, made!.Secret);
    }
}
