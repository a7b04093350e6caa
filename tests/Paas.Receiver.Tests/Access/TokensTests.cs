using System.Security.Cryptography;
using Mono.Cecil;
using Mono.Cecil.Rocks;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Access;

public sealed class TokensTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("tokens").FullName;
    readonly ManualTime time = new();
    readonly Database database;
    readonly Tokens tokens;

    public TokensTests()
    {
        database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));
        tokens = new Tokens(database, time);
    }

    public void Dispose()
    {
        tokens.Dispose();
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void A_token_is_found_by_its_secret_and_by_nothing_else()
    {
        var (token, secret) = tokens.Create("ci", isAdmin: false, "local/hello");

        Assert.Equal(token.Id, tokens.Find(secret)?.Id);
        Assert.Equal("local/hello", tokens.Find(secret)!.OnlyProject);
        foreach (var wrong in (string[])["", " ", secret[..^1], secret + "0", secret.ToUpperInvariant(), "paas_", new string('x', 100_000), "' OR 1=1 --", "\0"])
        {
            Assert.Null(tokens.Find(wrong));
        }
    }

    [Fact]
    public void Secrets_have_192_random_bits()
    {
        var secrets = Enumerable.Range(0, 50).Select(i => tokens.Create($"t{i}", isAdmin: false).Secret).ToList();

        Assert.Equal(50, secrets.Distinct().Count());
        Assert.All(secrets, secret => Assert.Matches("^paas_[0-9a-f]{48}$", secret));
    }

    [Fact]
    public void Only_hashes_are_at_rest()
    {
        var secret = tokens.Create("ci", isAdmin: true).Secret;
        tokens.EnsureAdmin("a-fixed-token-of-some-length");
        tokens.Find(secret);
        tokens.WriteUses();
        database.Dispose();

        foreach (var file in Directory.GetFiles(directory))
        {
            var bytes = File.ReadAllBytes(file);
            Assert.True(bytes.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(secret["paas_".Length..])) < 0);
            Assert.True(bytes.AsSpan().IndexOf("a-fixed-token"u8) < 0);
        }

        Assert.Contains(Directory.GetFiles(directory), file =>
            File.ReadAllBytes(file).AsSpan().IndexOf(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(secret))) >= 0);
    }

    [Fact]
    public void Hashes_are_compared_in_constant_time()
    {
        using var module = ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, "paas-receiver.dll"));
        var find = module.GetType("Paas.Receiver.Access.Tokens").GetMethods().Single(method => method.Name == "Find");

        Assert.Contains(find.Body.Instructions, i => i.Operand is MethodReference { Name: "FixedTimeEquals" });
        Assert.DoesNotContain(find.Body.Instructions, i => i.Operand is MethodReference { Name: "SequenceEqual" or "op_Equality" });
    }

    [Fact]
    public void A_token_opens_nothing_from_the_instant_it_expires()
    {
        var secret = tokens.Create("short", isAdmin: false, expiresAt: time.GetUtcNow().AddHours(1)).Secret;

        time.Advance(TimeSpan.FromMinutes(59));
        Assert.NotNull(tokens.Find(secret));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(tokens.Find(secret));
    }

    [Fact]
    public void A_revoked_token_opens_nothing()
    {
        var (token, secret) = tokens.Create("gone", isAdmin: true);

        Assert.True(tokens.Revoke(token.Id));
        Assert.False(tokens.Revoke(token.Id));
        Assert.Null(tokens.Find(secret));
    }

    [Fact]
    public void The_last_use_is_written_down_later_and_all_uses_at_once()
    {
        var secrets = Enumerable.Range(0, 3).Select(i => tokens.Create($"t{i}", isAdmin: false).Secret).ToList();
        var first = time.GetUtcNow();

        secrets.ForEach(secret => Assert.NotNull(tokens.Find(secret)));
        Assert.All(tokens.List(), token => Assert.Null(token.UsedAt));

        time.Advance(Tokens.UseDelay);
        Assert.All(tokens.List(), token => Assert.Equal(first, token.UsedAt));

        Assert.NotNull(tokens.Find(secrets[1]));
        time.Advance(Tokens.UseDelay);
        Assert.Equal([first, first + Tokens.UseDelay, first], tokens.List().Select(token => token.UsedAt!.Value));
    }

    [Fact]
    public void The_first_start_makes_an_administrator_and_no_later_one_does()
    {
        var printed = tokens.EnsureAdmin(null);

        Assert.True(tokens.Find(printed!)!.IsAdmin);
        Assert.Null(tokens.EnsureAdmin(null));
    }

    [Fact]
    public void An_administrator_who_expired_is_none()
    {
        tokens.Create("was", isAdmin: true, expiresAt: time.GetUtcNow().AddDays(1));
        Assert.Null(tokens.EnsureAdmin(null));

        time.Advance(TimeSpan.FromDays(2));
        Assert.NotNull(tokens.EnsureAdmin(null));
    }

    [Fact]
    public void A_fixed_token_is_never_printed_and_takes_the_place_of_an_earlier_fixed_one()
    {
        Assert.Null(tokens.EnsureAdmin("the-first-fixed-token"));
        Assert.Null(tokens.EnsureAdmin("the-first-fixed-token"));
        Assert.True(tokens.Find("the-first-fixed-token")!.IsAdmin);
        var made = tokens.Create("other", isAdmin: true).Secret;

        Assert.Null(tokens.EnsureAdmin("the-second-fixed-token"));

        Assert.Null(tokens.Find("the-first-fixed-token"));
        Assert.NotNull(tokens.Find("the-second-fixed-token"));
        Assert.NotNull(tokens.Find(made));
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("a\nb")]
    public void A_token_without_a_proper_name_is_refused(string name) =>
        Assert.Throws<Refusal>(() => tokens.Create(name, isAdmin: false));

    [Fact]
    public void A_token_cannot_be_for_everything_and_for_one_project_or_be_born_expired()
    {
        Assert.Throws<Refusal>(() => tokens.Create("both", isAdmin: true, "local/hello"));
        Assert.Throws<Refusal>(() => tokens.Create("late", isAdmin: false, expiresAt: time.GetUtcNow()));
        Assert.Throws<Refusal>(() => tokens.Create(new string('n', 101), isAdmin: false));
    }

    [Fact]
    public async Task Many_threads_make_find_and_revoke_tokens_at_once()
    {
        await Parallel.ForEachAsync(Enumerable.Range(0, 40), async (i, ct) =>
        {
            await Task.Yield();
            var (token, secret) = tokens.Create($"t{i}", isAdmin: false);
            Assert.Equal(token.Id, tokens.Find(secret)?.Id);
            Assert.True(tokens.Revoke(token.Id));
            Assert.Null(tokens.Find(secret));
        });

        Assert.Empty(tokens.List());
    }
}
