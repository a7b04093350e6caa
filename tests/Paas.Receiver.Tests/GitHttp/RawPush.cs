using System.Net.Http.Headers;
using System.Text;

namespace Paas.Receiver.GitHttp;

/// <summary>The bytes that a client sends to git-receive-pack, made here so that a test can bend and cut them.</summary>
sealed record RawPush(byte[] Commands, byte[] Pack)
{
    public byte[] Whole => [.. Commands, .. Pack];

    /// <summary>A push that makes a ref of the tree's HEAD.</summary>
    public static async Task<RawPush> OfAsync(WorkTree tree, string name)
    {
        var head = await tree.HeadAsync();
        var line = $"{new string('0', 40)} {head} {name}\0report-status side-band-64k agent=test\n";
        await using var pack = tree.Command("pack-objects", "--all", "--stdout", "--quiet").Start();
        pack.Input.Close();
        using var bytes = new MemoryStream();
        await pack.Output.CopyToAsync(bytes);
        return new RawPush([.. PacketLine(line), .. "0000"u8], bytes.ToArray());
    }

    public static byte[] PacketLine(string text) => Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetByteCount(text) + 4:x4}{text}");

    public static HttpContent Content(byte[] bytes, string type = "application/x-git-receive-pack-request") =>
        new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };
}
