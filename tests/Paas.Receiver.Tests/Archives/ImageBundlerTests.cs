using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using Paas.Receiver.Containers;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Archives;

/// <summary>What is refused before an engine hears of it; the rest is a story with a real one.</summary>
public sealed class ImageBundlerTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("paas-images-").FullName;

    [Theory]
    [InlineData("manifest.json", """[{"Config":"a.json","RepoTags":["nginx:latest"],"Layers":[]}]""", "names images")]
    [InlineData("manifest.json", """[{"Config":"a.json","RepoTags":null},{"Config":"b.json","RepoTags":null}]""", "several")]
    [InlineData("manifest.json", "{", "no image")]
    [InlineData("manifest.json", "{}", "names images")]
    [InlineData("./repositories", "{}", "names images")]
    [InlineData("index.json", """{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/library/nginx:latest"}}]}""", "names images")]
    [InlineData("something", "else", "no manifest.json")]
    public async Task An_archive_that_would_give_names_to_images_is_refused(string name, string text, string expected)
    {
        var file = await ArchiveAsync((name, text));

        var refusal = await Assert.ThrowsAsync<Refusal>(() => LoadAsync(file, DigestOf(file)));

        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_last_of_two_manifests_would_win_and_so_two_are_refused()
    {
        var file = await ArchiveAsync(("manifest.json", """[{"Config":"a.json","RepoTags":null}]"""), ("manifest.json", """[{"Config":"a.json","RepoTags":["nginx:latest"]}]"""));

        await Assert.ThrowsAsync<Refusal>(() => LoadAsync(file, DigestOf(file)));
    }

    [Fact]
    public async Task Another_file_a_damaged_one_and_one_that_is_cut_off_are_refused()
    {
        var file = await ArchiveAsync(("manifest.json", """[{"Config":"a.json","RepoTags":null}]"""), ("layer", new string('x', 100_000)));
        Assert.Contains("is not the image that was asked for", (await Assert.ThrowsAsync<Refusal>(() => LoadAsync(file, new string('0', 64)))).Message, StringComparison.Ordinal);

        await File.WriteAllBytesAsync(file, (await File.ReadAllBytesAsync(file))[..^20]);
        await Assert.ThrowsAsync<Refusal>(() => LoadAsync(file, DigestOf(file)));
        await File.WriteAllTextAsync(file, "");
        await Assert.ThrowsAsync<Refusal>(() => LoadAsync(file, DigestOf(file)));
    }

    [Fact]
    public async Task Without_an_engine_nothing_is_packed_and_nothing_is_left()
    {
        using var engine = NoEngine();

        await Assert.ThrowsAsync<EngineException>(() => new ImageBundler(engine).PackAsync("sha256:aa", Path.Combine(directory, "image"), CancellationToken.None));

        Assert.Empty(Directory.EnumerateFiles(directory));
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    static Engine NoEngine() => new(new EngineAddress("/nonexistent/docker.sock", 0));

    static async Task LoadAsync(string file, string digest)
    {
        using var engine = NoEngine();
        await new ImageBundler(engine).LoadAsync("sha256:aa", file, digest, CancellationToken.None);
    }

    static string DigestOf(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));

    async Task<string> ArchiveAsync(params (string Name, string Text)[] entries)
    {
        var (tar, packed) = (Path.Combine(directory, "tar"), Path.Combine(directory, "packed"));
        await using (var writer = new TarWriter(File.Create(tar)))
        {
            foreach (var (name, text) in entries)
            {
                await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
            }
        }

        await new Command("zstd", "-q", tar, "-o", packed).OutputAsync();
        return packed;
    }
}
