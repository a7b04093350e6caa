using System.Text;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Manifests;

/// <summary>A text file of a checked-out repository, read with distrust: a regular file inside the directory, of bounded size, strict UTF-8, no NUL.</summary>
sealed record ProjectFile(string Name, string Text)
{
    /// <summary>Bytes. The largest real manifests are a hundredth of it.</summary>
    public const int Largest = 1024 * 1024;

    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Null when there is no such file.</summary>
    /// <param name="name">Relative, with <c>/</c> between its parts.</param>
    /// <exception cref="Refusal">It is something else than a readable text file of this repository.</exception>
    public static ProjectFile? Read(string directory, string name)
    {
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(name) || name.Split('/').Contains("..", StringComparer.Ordinal))
        {
            throw new Refusal($"{Mistakes.Quote(name)} is not a path inside the repository.");
        }

        var path = Path.Combine(directory, name);
        if (Target(path, name) is not { } target)
        {
            return null;
        }

        var bytes = ReadInside(directory, target, name);
        try
        {
            var text = Strict.GetString(bytes.AsSpan(bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0));
            var nul = text.IndexOf('\0', StringComparison.Ordinal);
            return nul < 0 ? new ProjectFile(name, text) : throw new Refusal($"{name} line {LineOf(text, nul)}: holds a NUL character; it is not a text file.");
        }
        catch (DecoderFallbackException e)
        {
            var line = 1 + bytes.AsSpan(0, Math.Clamp(e.Index, 0, bytes.Length)).Count((byte)'\n');
            throw new Refusal($"{name} line {line}: is not UTF-8. Save the file as UTF-8.");
        }
    }

    static int LineOf(string text, int index) => 1 + text.AsSpan(0, index).Count('\n');

    // What a link leads to is looked at before it is opened: opening a pipe would wait for ever.
    static string? Target(string path, string name)
    {
        if (Inode.Of(path) is not { } inode)
        {
            return null;
        }

        if (inode.IsSymbolicLink)
        {
            try
            {
                path = File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;
            }
            catch (IOException)
            {
                throw new Refusal($"{name} is a symbolic link that leads in a circle.");
            }

            inode = Inode.Of(path) ?? throw new Refusal($"{name} is a symbolic link to something that is not there.");
        }

        return inode.IsFile ? path : throw new Refusal($"{name} is not a file.");
    }

    static byte[] ReadInside(string directory, string target, string name)
    {
        using var file = new FileStream(target, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        // Where the open file really lies, whatever links were on the way: a repository must not show the machine's own files.
        var (real, root) = (Real(file), RealDirectory(directory));
        if (!real.StartsWith(root + "/", StringComparison.Ordinal))
        {
            throw new Refusal($"{name} is a symbolic link that leads out of the repository.");
        }

        if (file.Length > Largest)
        {
            throw new Refusal($"{name} is {file.Length:N0} bytes; at most {Largest:N0} are read.");
        }

        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    static string Real(FileStream file) => new FileInfo($"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}").LinkTarget ?? "";

    static string RealDirectory(string directory)
    {
        var path = "/";
        foreach (var part in Path.GetFullPath(directory).Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            path = Path.Combine(path, part);
            path = Directory.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName is { } elsewhere ? RealDirectory(elsewhere) : path;
        }

        return path;
    }
}
