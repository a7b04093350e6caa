using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Archives;

public sealed class SignaturesTests : IDisposable
{
    static readonly Provenance What = new("shop", new string('a', 40), new string('b', 64), new string('c', 64));

    readonly string place = Directory.CreateTempSubdirectory("signatures").FullName;

    public void Dispose() => Directory.Delete(place, recursive: true);

    [Fact]
    public void A_receiver_believes_itself_also_after_a_restart()
    {
        var signature = Receiver("one").Sign(What);

        Receiver("one").Verify(What, signature, "here");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(place, "one", "release-key.pem")));
    }

    [Fact]
    public void Nothing_of_what_was_signed_can_be_changed()
    {
        var receiver = Receiver("one");
        var signature = receiver.Sign(What);

        foreach (var other in new[]
        {
            What with { Project = "other" }, What with { Commit = new string('d', 40) }, What with { ArchiveDigest = new string('d', 64) }, What with { ContentDigest = new string('d', 64) },
        })
        {
            Assert.Throws<Refusal>(() => receiver.Verify(other, signature, "there"));
        }

        Assert.Throws<Refusal>(() => receiver.Verify(What, null, "there"));
        Assert.Throws<Refusal>(() => receiver.Verify(What, signature with { Value = "" }, "there"));
        Assert.Throws<Refusal>(() => receiver.Verify(What, signature with { Value = "not base64 !" }, "there"));
    }

    [Fact]
    public void Another_receivers_signature_counts_while_its_key_lies_where_trust_is_kept()
    {
        var signature = Receiver("one").Sign(What);
        var other = Receiver("two");
        Assert.Contains("not trusted here", Assert.Throws<Refusal>(() => other.Verify(What, signature, "one")).Message, StringComparison.Ordinal);

        File.WriteAllText(Path.Combine(place, "trusted", "garbage"), "no key");
        File.WriteAllText(Path.Combine(place, "trusted", "one.pem"), Receiver("one").PublicKey);
        other.Verify(What, signature, "one");

        File.Delete(Path.Combine(place, "trusted", "one.pem"));
        Assert.Throws<Refusal>(() => other.Verify(What, signature, "one"));
    }

    [Fact]
    public async Task Openssl_agrees()
    {
        var receiver = Receiver("one");
        var signature = receiver.Sign(What);
        File.WriteAllText(Path.Combine(place, "key"), receiver.PublicKey);
        File.WriteAllBytes(Path.Combine(place, "statement"), What.Statement);
        File.WriteAllBytes(Path.Combine(place, "signature"), Convert.FromBase64String(signature.Value));

        var said = await new Command("openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "statement") { Directory = place }.RunAsync();

        Assert.Equal("Verified OK\n", said.Output);
    }

    Signatures Receiver(string name)
    {
        Directory.CreateDirectory(Path.Combine(place, "trusted"));
        return new Signatures(Directory.CreateDirectory(Path.Combine(place, name)).FullName, [Path.Combine(place, "trusted")]);
    }
}
